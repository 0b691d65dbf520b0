SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
       (SELECT count(*) FROM pg_stat_replication), pg_is_in_recovery(),
       current_setting('server_version'), current_setting('fsync')
