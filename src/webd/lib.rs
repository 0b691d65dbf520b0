//! webd
