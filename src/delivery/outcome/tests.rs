use super::*;
use smtp::client::BadReply;
use std::fmt::Write;

fn reply(text: &str) -> Reply {
    let enhanced: Vec<&str> = text.split([' ', '.']).collect();
    let number = |at: usize| enhanced.get(at).and_then(|n| n.parse().ok());
    let code = number(0).unwrap();
    let status = match (number(1), number(2), number(3)) {
        (Some(a), Some(b), Some(c)) => Some(Enhanced(u8::try_from(a).unwrap(), b, c)),
        _ => None,
    };
    Reply { code, enhanced: status, lines: vec![text[4..].to_owned()] }
}

fn row(table: &mut String, event: &str, meaning: &Meaning) {
    let Meaning { fate, next, signal, status, .. } = meaning;
    let _ = writeln!(table, "{event:<58} {fate:<16?} {next:<9?} {signal:<5?} {status}");
}

const WHERE: [(&str, Circumstances); 6] = {
    let plain = Circumstances {
        relay: false,
        reused: false,
        others_accepted: false,
        tls_required: false,
        require_tls: false,
    };
    [
        ("", plain),
        (", at a relay", Circumstances { relay: true, ..plain }),
        (", reused", Circumstances { reused: true, ..plain }),
        (", others accepted", Circumstances { others_accepted: true, ..plain }),
        (", TLS required", Circumstances { tls_required: true, ..plain }),
        (", REQUIRETLS", Circumstances { tls_required: true, require_tls: true, ..plain }),
    ]
};

/// Rows that say the same in all circumstances are shown once.
fn rows(table: &mut String, event: &str, meaning: impl Fn(Circumstances) -> Meaning) {
    let usual = meaning(WHERE[0].1);
    row(table, event, &usual);
    for (name, at) in &WHERE[1..] {
        let here = meaning(*at);
        if here != usual {
            row(table, &format!("{event}{name}"), &here);
        }
    }
}

const PHASES: [Phase; 12] = [
    Phase::Greeting,
    Phase::Ehlo,
    Phase::StartTls,
    Phase::Auth,
    Phase::Idle,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Body,
    Phase::FinalDot,
    Phase::Rset,
    Phase::Quit,
];

const LOST: [Lost; 6] = [
    Lost::Closed,
    Lost::TimedOut,
    Lost::Nonsense(BadReply::Form),
    Lost::Handshake,
    Lost::NoBody,
    Lost::Withdrawn,
];

fn dns_rows(table: &mut String) {
    let errors = [
        ResolveError::NoDomain,
        ResolveError::NoMail,
        ResolveError::NoAddress,
        ResolveError::BadName,
        ResolveError::Unavailable(String::new()),
        ResolveError::Bogus,
    ];
    for error in &errors {
        row(table, &format!("domain: {error:?}"), &of_domain(error));
    }
    row(table, "domain: MailLoop", &of_loop(MailLoop));
    rows(table, "host: this server", of_ourselves);
    for error in &errors {
        rows(table, &format!("host: {error:?}"), |at| of_host(error, at));
    }
    row(table, "domain: its policy is unknown", &of_unknown_policy(crate::CacheAway));
    row(table, "host: no useful address", &of_useless_addresses());
    row(table, "host: not in the MTA-STS policy", &of_host_not_meant());
    for error in [
        NoConnection::Refused,
        NoConnection::Unreachable,
        NoConnection::TimedOut,
        NoConnection::Handshake,
        NoConnection::Local,
    ] {
        row(table, &format!("connect: {error:?}"), &of_connect(error));
    }
}

fn setup_rows(table: &mut String) {
    for phase in &PHASES[..5] {
        for code in
            ["421 x", "450 4.7.1 x", "521 x", "535 5.7.8 x", "550 x", "554 5.7.1 x", "556 x"]
        {
            let ended = Ended::Refused { phase: *phase, reply: reply(code) };
            rows(table, &format!("setup: {code} at {}", phase.name()), |at| of_setup(&ended, at));
        }
        for lost in LOST {
            let ended = Ended::Lost { phase: *phase, lost };
            rows(table, &format!("setup: {lost:?} at {}", phase.name()), |at| of_setup(&ended, at));
        }
    }
    for ended in [Ended::NoTls, Ended::NoAuth, Ended::Quit] {
        rows(table, &format!("setup: {ended:?}"), |at| of_setup(&ended, at));
    }
}

fn verdict_rows(table: &mut String) {
    let codes = ["421 4.3.2 x", "450 x", "451 4.7.1 x", "452 x", "452 4.2.2 x", "452 4.5.3 x"];
    let codes = codes.into_iter().chain(["530 x", "550 5.1.1 x", "552 x", "552 5.2.2 x", "554 x"]);
    let codes: Vec<&str> = codes.collect();
    for phase in &PHASES[5..10] {
        for code in &codes {
            let verdict = Verdict::Refused { phase: *phase, reply: reply(code) };
            rows(table, &format!("{code} at {}", phase.name()), |at| of_verdict(&verdict, at));
        }
        for lost in LOST {
            let verdict = Verdict::Lost { phase: *phase, lost };
            rows(table, &format!("{lost:?} at {}", phase.name()), |at| of_verdict(&verdict, at));
        }
    }
    rows(table, "250 2.0.0 x", |at| of_verdict(&Verdict::Delivered(reply("250 2.0.0 x")), at));
    for cannot in [
        CannotSend::TooBig { limit: 1 },
        CannotSend::EightBit,
        CannotSend::Binary,
        CannotSend::Utf8,
        CannotSend::RequireTls,
        CannotSend::Address,
        CannotSend::NoRecipient,
        CannotSend::NotReady,
    ] {
        rows(table, &format!("unable: {cannot:?}"), |at| of_verdict(&Verdict::Unable(cannot), at));
    }
}

/// The whole table, for people. To change it on purpose: UPDATE_GOLDEN=1 cargo test.
#[test]
fn the_truth_table() {
    let mut table = String::new();
    dns_rows(&mut table);
    setup_rows(&mut table);
    verdict_rows(&mut table);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/outcome/table.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

/// What must hold in every row, whoever changes the table.
#[test]
fn every_row_keeps_the_rules() {
    let replies = ["250 x", "421 x", "450 x", "452 x", "500 x", "530 x", "550 5.1.1 x", "554 x"];
    let mut verdicts: Vec<Verdict> = Vec::new();
    for phase in PHASES {
        let refused = |text: &&str| Verdict::Refused { phase, reply: reply(text) };
        verdicts.extend(replies[1..].iter().map(refused));
        verdicts.extend(LOST.map(|lost| Verdict::Lost { phase, lost }));
    }
    for bits in 0..32u8 {
        let at = Circumstances {
            relay: bits & 1 > 0,
            reused: bits & 2 > 0,
            others_accepted: bits & 4 > 0,
            tls_required: bits & 8 > 0,
            require_tls: bits & 16 > 0,
        };
        for verdict in &verdicts {
            let meaning = of_verdict(verdict, at);
            check(verdict, &meaning);
        }
    }
}

fn check(verdict: &Verdict, meaning: &Meaning) {
    let text = format!("{verdict:?} {meaning:?}");
    // A message that may be there is never given to another host in the same breath.
    if let Verdict::Lost { phase: Phase::FinalDot, .. } = verdict {
        assert_eq!((meaning.fate, meaning.next), (MayHaveHappened, Settled), "{text}");
    } else {
        assert_ne!(meaning.fate, MayHaveHappened, "{text}");
    }
    // Only a reply can deliver, and only a 5yz or our own inability can fail for ever.
    assert_ne!(meaning.fate, Delivered, "{text}");
    if meaning.fate == Failed {
        assert!(
            matches!(verdict, Verdict::Refused { reply, .. } if reply.is_permanent()),
            "{text}"
        );
    }
    let class = if meaning.fate == Failed { 5 } else { 4 };
    assert_eq!(meaning.status.0, class, "{text}");
    assert_eq!(meaning.quoted, matches!(verdict, Verdict::Refused { .. }), "{text}");
}

#[test]
fn of_two_hosts_the_kinder_word_counts() {
    let failed = of_useless_addresses();
    let deferred = of_connect(NoConnection::Refused);
    let other = of_connect(NoConnection::TimedOut);
    assert_eq!(combine(None, failed.clone()), failed);
    assert_eq!(combine(Some(failed.clone()), deferred.clone()), deferred);
    assert_eq!(combine(Some(deferred.clone()), failed), deferred);
    assert_eq!(combine(Some(deferred), other.clone()), other);
}
