use super::*;
use secrecy::ExposeSecret;
use std::path::PathBuf;

const SMALL: &str =
    "[postgres]\nurl = 'host=/run/x user=u'\n[blob]\nkind = 'folder'\npath = '/b'\n";

fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn from(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    load(&Layers { files: vec![file(&dir, "x.toml", text)], environment, ..Layers::default() })
}

fn complaint(text: &str, environment: &[(&str, &str)]) -> String {
    let error = from(text, environment).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn the_later_layer_goes_before() {
    let dir = tempfile::tempdir().unwrap();
    let layers = Layers {
        base: Some("cluster = 'base'\nhostname = 'base.test'\n[limits]\nper_ip = 1\n".into()),
        files: vec![
            file(&dir, "a.toml", &format!("cluster = 'a'\n{SMALL}[limits]\nconnections = 7\n")),
            file(&dir, "b.toml", "[limits]\nconnections = 8\nmemory_mib = 100\n"),
        ],
        environment: [
            ("POSTRIDER__LIMITS__MEMORY_MIB".to_owned(), "200".to_owned()),
            ("POSTRIDER_CONFIG".to_owned(), "/not/a/key".to_owned()),
        ]
        .into(),
        flags: vec![("hostname".into(), "flag.test".into())],
    };
    let config = load(&layers).unwrap();
    assert_eq!(config.cluster, "a");
    assert_eq!(config.hostname, "flag.test");
    let limits = config.limits;
    assert_eq!((limits.per_ip, limits.connections, limits.memory_mib), (1, 8, 200));
    assert_eq!(limits.drain_seconds, Limits::default().drain_seconds);
    assert_eq!(config.hub.sweep.as_secs(), 30);
}

#[test]
fn the_environment_can_say_everything() {
    let environment = [
        ("POSTRIDER__POSTGRES__URL", "postgres://u:p@h/d"),
        ("POSTRIDER__POSTGRES__POOL_SIZE", "3"),
        ("POSTRIDER__POSTGRES__PREPARED_STATEMENTS", "false"),
        ("POSTRIDER__BLOB__KIND", "s3"),
        ("POSTRIDER__BLOB__BUCKET", "123"),
        ("POSTRIDER__BLOB__ACCESS_KEY", "0012"),
        ("POSTRIDER__BLOB__SECRET_KEY", "1e5"),
        ("POSTRIDER__BLOB__PATH_STYLE", "true"),
        ("POSTRIDER__COORDINATOR__KIND", "redis"),
        ("POSTRIDER__COORDINATOR__URL", "redis://h"),
        ("POSTRIDER__LISTEN__SMTP__ADDRESSES", "127.0.0.1:25, [::1]:25"),
        ("POSTRIDER__LISTEN__SMTP__PROXY_FROM", "10.0.0.0/8"),
        ("POSTRIDER__HUB__SWEEP_SECONDS", "2.5"),
        ("POSTRIDER__LOG__FORMAT", "json"),
    ];
    let config = from("", &environment).unwrap();
    assert_eq!(config.postgres.pool_size, 3);
    assert!(!config.postgres.prepared_statements);
    let Blob::S3(s3) = config.blob.clone().checked().unwrap() else { panic!() };
    assert_eq!((s3.bucket.as_str(), s3.access_key.as_deref()), ("123", Some("0012")));
    assert_eq!(s3.secret_key.unwrap().expose_secret(), "1e5", "not read as a number");
    assert!(s3.path_style);
    let smtp = config.listen.smtp.unwrap();
    assert_eq!(smtp.addresses.len(), 2);
    assert_eq!(smtp.proxy_from.len(), 1);
    assert_eq!(config.hub.sweep.as_millis(), 2500);
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    let top = complaint(&format!("clutser = 'x'\n{SMALL}"), &[]);
    assert!(top.starts_with("clutser is not a known key (in "), "{top}");
    let inner = complaint(&format!("{SMALL}[limits]\nper_ipp = 1\n"), &[]);
    assert!(inner.starts_with("limits.per_ipp is not a known key (in /"), "{inner}");
    let deep = complaint(&format!("{SMALL}[listen.imap]\naddresses = []\nproxy = 1\n"), &[]);
    assert!(deep.starts_with("listen.imap.proxy is not a known key"), "{deep}");
    let variable = complaint(SMALL, &[("POSTRIDER__LIMITS__NONE", "1")]);
    assert!(
        variable.starts_with(
            "limits.none is not a known key (in the environment: POSTRIDER__LIMITS__NONE)"
        ),
        "{variable}"
    );
    let others = complaint(&format!("{SMALL}[directory]\nnone = 1\n"), &[]);
    assert!(others.starts_with("directory.none is not a known key"), "{others}");
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("", "postgres.url is not set"),
        ("[postgres]\npool_size = 1\n", "postgres.url is not set"),
        ("[postgres]\nurl = 'x'\n", "blob.kind is missing"),
        ("nonsense", "line 6: "),
        ("[limits]\nper_ip = 'many'\n", "limits.per_ip: "),
        ("[limits]\nper_ip = 0\n", "limits.per_ip: at least 1"),
        ("[listen.smtp]\naddresses = ['localhost']\n", "listen.smtp.addresses"),
        ("[listen.imaps]\naddresses = ['127.0.0.1:0']\n", "listen.imaps needs a certificate"),
        ("[coordinator]\nkind = 'redis'\n", "coordinator.url is missing"),
        (
            "[coordinator]\nkind = 'nats'\n",
            "coordinator.kind: \"nats\" is not one of \"local\", \"redis\" (in ",
        ),
        ("[log]\nlevel = 'store=louder'\n", "log.level"),
        ("[hub]\nsweep_seconds = 0\n", "hub.sweep_seconds: at least 0.1 seconds"),
    ];
    for (text, wanted) in cases {
        let prefix = if text.contains("postgres") || text.is_empty() { "" } else { SMALL };
        let error = complaint(&format!("{prefix}{text}"), &[]);
        assert!(error.contains(wanted), "{text:?} gave {error:?}, not {wanted:?}");
    }
}

#[test]
fn secrets_come_from_files_and_are_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let url = file(&dir, "url", "postgres://u:hunter2@h/d\n");
    let key = file(&dir, "key", "hunter3\n");
    let text = format!(
        "[postgres]\nurl_file = {url:?}\n[blob]\nkind = 's3'\nbucket = 'b'\naccess_key = 'AK'\n\
         secret_key_file = {key:?}\n[coordinator]\nkind = 'redis'\nurl = 'redis://:hunter4@h'\n"
    );
    let config = from(&text, &[]).unwrap();
    assert_eq!(config.postgres.url.expose_secret(), "postgres://u:hunter2@h/d");
    let shown = show(&config).unwrap().to_string();
    assert!(!shown.contains("hunter") && !shown.contains("AK"), "{shown}");
    assert!(!format!("{config:?}").contains("hunter"));
    let both = complaint(&text, &[("POSTRIDER__POSTGRES__URL", "x")]);
    assert!(both.contains("postgres.url and postgres.url_file are both given"), "{both}");
    let missing = complaint("[postgres]\nurl_file = '/nowhere/url'\n", &[]);
    assert!(missing.starts_with("postgres.url_file /nowhere/url: "), "{missing}");
}

#[test]
fn a_blob_store_is_one_thing() {
    let folder = "[postgres]\nurl = 'x'\n[blob]\nkind = 'folder'\npath = '/b'\nbucket = 'c'\n";
    assert!(complaint(folder, &[]).contains("blob.bucket"));
    let half = "[postgres]\nurl = 'x'\n[blob]\nkind = 's3'\nbucket = 'c'\naccess_key = 'a'\n";
    assert!(complaint(half, &[]).contains("give both or none"));
}
