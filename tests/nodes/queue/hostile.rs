//! What users, operators and servers do that nobody thought of.

use super::*;
use std::time::Duration;
use testkit::dns::{Answer, Kind};
use testkit::sink::{Effect, Moment, Rule};

const SOON: Duration = Duration::from_secs(30);

/// Addresses that are legal and odd come out as they went in; what is none is refused with its own code, and a session
/// that was lied to goes on.
#[tokio::test(flavor = "multi_thread")]
async fn odd_addresses_and_parameters() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        for line in [
            "ENVID=a+0D+0ARCPT",
            "ENVID=+00",
            "ENVID=++4",
            "ENVID=",
            "ENVID=a ENVID=b",
            "RET=FULL RET=HDRS",
            "RET=SOME",
            "SIZE=1 SIZE=2",
        ] {
            let reply = client.command(&format!("MAIL FROM:<{anna}> {line}")).await?;
            ensure!(reply.code == 501, "{line}: {}", reply.text());
        }
        for (rest, code) in [
            ("<x@a.out> ORCPT=rfc822;a+0D+0ADATA", 501),
            ("<x@a.out> ORCPT=;a", 501),
            ("<x@a.out> NOTIFY=NEVER,SUCCESS", 501),
            ("<x@a.out> NOTIFY=SUCCESS NOTIFY=DELAY", 501),
            ("<x@a..out>", 501),
            ("<x@-a.out>", 501),
            ("<\"x\ty\"@a.out>", 501),
            ("<x@[300.1.1.1]>", 550),
            ("<x@[IPv6:::g]>", 550),
            ("<\"no body\"@example.test>", 550),
        ] {
            // Who makes too many mistakes is shown the door.
            let mut client = submitter(&cluster.nodes[0], &anna).await?;
            client.command(&format!("MAIL FROM:<{anna}>")).await?;
            let reply = client.command(&format!("RCPT TO:{rest}")).await?;
            println!("{rest}: {}", reply.text());
            ensure!(reply.code / 50 == code / 50, "{rest}: {}", reply.text());
        }
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        let long = "l".repeat(64);
        let labels = [["d"; 60].concat(), ["e"; 60].concat(), ["f"; 60].concat()].join(".");
        let good = [
            "\"odd \\\"name\\\\ <>@,;:\"@a.out".to_owned(),
            "\"a@b\"@a.out".to_owned(),
            "a+tag=x@a.out".to_owned(),
            "!#$%&'*-/=?^_`{|}~@a.out".to_owned(),
            format!("{long}@a.out"),
            format!("x@{labels}.out"),
        ];
        let first = format!("MAIL FROM:<{anna}> RET=HDRS ENVID=QQ+2B1+20x");
        ensure!(client.command(&first).await?.code == 250);
        for to in &good {
            let reply = client.command(&format!("RCPT TO:<{to}> ORCPT=rfc822;Odd+40A.out")).await?;
            ensure!(reply.code == 250, "{to}: {}", reply.text());
        }
        ensure!(client.command("DATA").await?.code == 354);
        client.stream.send(&testkit::stuffed(&super::super::message("odd", 500))).await?;
        ensure!(client.reply().await?.code == 250);
        outside.sink.wait_for(2, SOON).await?;
        emptied(cluster).await?;
        let arrivals = outside.sink.arrivals();
        let mut to: Vec<String> = arrivals.iter().flat_map(|a| a.to.clone()).collect();
        to.sort();
        let mut wanted = good.to_vec();
        wanted.sort();
        assert_eq!(to, wanted);
        let commands = arrivals[0].commands.join("\n");
        ensure!(commands.contains(" RET=HDRS ENVID=QQ+2B1+20x"), "{commands}");
        ensure!(commands.contains(" ORCPT=rfc822;Odd@A.out"), "{commands}");
        Ok(())
    })
    .await
}

/// A thousand recipients of which half do not exist: everybody else has it once, and the sender hears of it in one report.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_recipients_and_no_storm_of_reports() -> Result<()> {
    let outside = Outside::new().await?;
    let never = Effect::Reply("550 5.1.1 no such user here".into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "gone*", never));
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let kind = |n: usize| if n.is_multiple_of(2) { "gone" } else { "user" };
        let to: Vec<String> =
            (0..1_000).map(|n| format!("{}{n}@d{}.out", kind(n), n % 40)).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        submit(&cluster.nodes[0], &anna, &to, "many").await?;
        emptied(cluster).await?;
        let mut arrived: Vec<String> =
            outside.sink.arrivals().into_iter().flat_map(|arrival| arrival.to).collect();
        arrived.sort();
        let mut wanted: Vec<&str> = to.iter().copied().filter(|a| a.starts_with("user")).collect();
        wanted.sort_unstable();
        assert_eq!(arrived, wanted);
        let inbox = inbox(&cluster.nodes[1], &anna).await?;
        let told: usize =
            inbox.iter().map(|report| report.matches("Final-Recipient:").count()).sum();
        println!("1,000 recipients, 500 failed: {} reports", inbox.len());
        assert_eq!(told, 500);
        ensure!(inbox.len() <= 3, "{} reports", inbox.len());
        Ok(())
    })
    .await
}

/// Null sender: nothing is ever reported of it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_to_nobody() -> Result<()> {
    let outside = Outside::new().await?;
    let never = Effect::Reply("550 5.1.1 no such user here".into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "gone*", never));
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        client.command("MAIL FROM:<>").await?;
        for to in ["gone@a.out", "x@a.out", "y@nowhere.test"] {
            let all = "NOTIFY=SUCCESS,FAILURE,DELAY";
            ensure!(client.command(&format!("RCPT TO:<{to}> {all}")).await?.code == 250);
        }
        client.command("DATA").await?;
        client.stream.send(&testkit::stuffed(&super::super::message("null", 500))).await?;
        ensure!(client.reply().await?.code == 250);
        emptied(cluster).await?;
        assert_eq!(outside.sink.count(), 1);
        assert_eq!(outside.sink.arrivals()[0].from, "");
        assert_eq!(inbox(&cluster.nodes[0], &anna).await?.len(), 0);
        Ok(())
    })
    .await
}

/// An operator's word while the message is on its way: nothing is lost, nothing stays behind, nobody gets it twice.
#[tokio::test(flavor = "multi_thread")]
async fn operators_meddle_with_what_is_under_way() -> Result<()> {
    let outside = Outside::new().await?;
    for (who, effect) in [
        ("cancel@*", Effect::Delay(Duration::from_secs(4))),
        ("hold@*", Effect::Delay(Duration::from_secs(4))),
        ("move@*", Effect::Delay(Duration::from_secs(4))),
        ("fail@*", Effect::Reply("451 4.3.0 later".into())),
    ] {
        outside.sink.rule(Rule::new(Moment::Dot, who, effect).times(1));
    }
    let mut options = outside.options();
    options.settings.push(("queue.retry_first_seconds".into(), 2.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &cluster.nodes[0];
        for (who, domain) in [("cancel", "a.out"), ("hold", "b.out"), ("move", "c.out")] {
            submit(node, &anna, &[&format!("{who}@{domain}")], who).await?;
        }
        owned(cluster, 3).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let does = |command: &[&str]| {
            anyhow::Ok(queue(cluster, &[&["queue"], command].concat())?["recipients"].clone())
        };
        assert_eq!(does(&["cancel", "--domain", "a.out"])?, 1);
        assert_eq!(does(&["hold", "--domain", "b.out"])?, 1);
        // What is being sent cannot go elsewhere as well.
        assert_eq!(does(&["redirect", "--domain", "c.out", "--to", "z@d.out"])?, 0);
        assert_eq!(does(&["retry", "--domain", "c.out"])?, 0);
        outside.sink.wait_for(3, SOON).await?;
        emptied(cluster).await?;
        let expected = ["cancel", "hold", "move"].map(|id| (id.to_owned(), 1));
        assert_eq!(arrived(&outside.sink), BTreeMap::from(expected));
        // Held while an attempt fails: it stays held, and goes when it is released.
        outside.sink.rule(Rule::new(Moment::Rcpt, "slow@*", Effect::Delay(Duration::from_secs(3))));
        outside.sink.rule(
            Rule::new(Moment::Dot, "slow@*", Effect::Reply("451 4.3.0 later".into())).times(1),
        );
        submit(node, &anna, &["slow@e.out"], "slow").await?;
        owned(cluster, 1).await?;
        assert_eq!(does(&["hold", "--recipient", "SLOW@e.out"])?, 1);
        let listed = until("it failed", async || {
            let rows = queue(cluster, &["queue", "list", "--state", "held"]).ok()?;
            (rows[0]["attempts"] == 1).then_some(rows)
        });
        assert_eq!(listed.await?[0]["last"], "451 4.3.0 later");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(outside.sink.count(), 4, "the first try only");
        assert_eq!(does(&["release", "--all"])?, 1);
        outside.sink.wait_for(5, SOON).await?;
        emptied(cluster).await
    })
    .await
}

/// What cannot be meant is said in one line, with the code of a usage error, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_make_no_sense() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        queue(cluster, &["queue", "pause", "--all"])?;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "one").await?;
        let file = cluster.config_file()?;
        for command in [
            &["queue", "cancel"][..],
            &["queue", "cancel", "nonsense"],
            &["queue", "cancel", "99999999999999999999"],
            &["queue", "cancel", "1", "--all"],
            &["queue", "list", "--domain", "a..b"],
            &["queue", "list", "--domain", ""],
            &["queue", "list", "--older-than", "99999d"],
            &["queue", "list", "--older-than", "1 week"],
            &["queue", "list", "--state", "lost"],
            &["queue", "list", "--tenant", "many"],
            &["queue", "show", "17"],
            &["queue", "redirect", "1", "--to", "nonsense"],
            &["queue", "redirect", "1", "--to", "x@"],
            &["queue", "redirect", "1", "--to", "x@[127.0.0.1]"],
            &["queue", "redirect", "1", "--via", "*"],
            &["queue", "redirect", "1", "--via", "example.test"],
            &["queue", "redirect", "1"],
            &["queue", "pause"],
            &["queue", "pause", "--domain", "-"],
            &["queue", "flush", "--domain", "@"],
            &["route", "add", "a..b", "--relay", "x:1"],
            &["route", "add", "*.", "--relay", "x:1"],
            &["route", "add", "*.*", "--relay", "x:1"],
            &["route", "add", "x*.out", "--relay", "x:1"],
            &["route", "add", "a.out", "--relay", "x"],
            &["route", "add", "a.out", "--relay", "x:0"],
            &["route", "add", "a.out", "--lmtp"],
            &["route", "add", "a.out", "--tls", "none", "--verify"],
            &["route", "add", "a.out", "--expire", "1d"],
            &[
                "route",
                "add",
                "a.out",
                "--retry-first",
                "1h",
                "--retry-longest",
                "1m",
                "--expire",
                "1d",
            ],
            &[
                "route",
                "add",
                "a.out",
                "--retry-first",
                "1m",
                "--retry-longest",
                "1h",
                "--expire",
                "0s",
            ],
            &[
                "route",
                "add",
                "a.out",
                "--retry-first",
                "1m",
                "--retry-longest",
                "200000000000000d",
                "--expire",
                "1d",
            ],
            &["limit", "set", "site", "a.out"],
            &["limit", "set", "site", "a.out", "--connections", "0"],
            &["limit", "set", "site", "a.out", "--messages", "1", "--per", "0s"],
            &["limit", "set", "sender", "nobody", "--messages", "1"],
            &["limit", "set", "tenant", "acme", "--messages", "1"],
        ] {
            let all = [command, &["--config", &file]].concat();
            let (status, out, said) = testkit::postrider_raw(&all, "")?;
            ensure!(status.code() == Some(2), "{command:?}: {status} {out}{said}");
            ensure!(out.is_empty() && !said.is_empty(), "{command:?}: {out}");
            ensure!(!said.contains("panicked") && !said.contains("ERROR"), "{command:?}: {said}");
        }
        // What means nothing changes nothing, and is no error.
        for filter in [
            &["--domain", "b.out"][..],
            &["--sender", "' OR 1=1 --"],
            &["--sender", "%"],
            &["--sender", "@%"],
            &["--recipient", "%@a.out"],
            &["--tenant", "4711"],
            &["--older-than", "3650d"],
            &["--state", "sending"],
            &["4711"],
            &["-4711"],
        ] {
            let command =
                [&["queue", "cancel", "--json", "--config", &file, "--"][..], filter].concat();
            let flat: Vec<&str> = if filter[0].starts_with("--") {
                command.into_iter().filter(|word| *word != "--").collect()
            } else {
                command
            };
            let (status, out, said) = testkit::postrider_raw(&flat, "")?;
            ensure!(
                status.success() && out.contains("\"recipients\": 0")
                    || out.contains("\"recipients\":0"),
                "{filter:?}: {out}{said}"
            );
        }
        for missing in
            [&["route", "remove", "a.out"][..], &["queue", "show", "B0000000000000000000000"]]
        {
            let all = [missing, &["--config", &file]].concat();
            let (status, _, said) = testkit::postrider_raw(&all, "")?;
            ensure!(!status.success() && !said.contains("panicked"), "{missing:?}: {said}");
        }
        let listed = queue(cluster, &["queue", "list"])?;
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        queue(cluster, &["queue", "resume", "--all"])?;
        outside.sink.wait_for(1, SOON).await?;
        emptied(cluster).await
    })
    .await
}

/// A wrong setting of what leaves is one line, before anything starts.
#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        for (path, value, wanted) in [
            ("delivery.hostname", toml::Value::from("not a host"), "delivery.hostname"),
            ("delivery.port", 0.into(), "delivery.port"),
            ("delivery.max_addresses", 0.into(), "delivery.max_addresses"),
            ("delivery.connect_timeout_ms", 0.into(), "delivery.connect_timeout_ms"),
            ("delivery.ca_file", "/no/such/file".into(), "/no/such/file"),
            ("resolve.timeout_ms", 0.into(), "resolve.timeout_ms"),
            ("resolve.trust_anchor", "/no/such/file".into(), "resolve.trust_anchor"),
            ("resolve.servers", vec!["dns.example"].into(), "dns.example"),
            ("queue.retry_longest_seconds", i64::MAX.into(), "queue.retry_longest_seconds"),
            ("queue.expire_seconds", 0.into(), "queue.expire_seconds"),
            ("queue.nonsense", 1.into(), "nonsense"),
        ] {
            let mut config = cluster.config.clone();
            config.set(path, value);
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("wrong.toml");
            std::fs::write(&file, toml::to_string(&config.0)?)?;
            let file = file.display().to_string();
            let (status, _, said) = testkit::postrider_raw(&["serve", "--config", &file], "")?;
            ensure!(!status.success(), "{path}");
            let line = said.lines().last().unwrap_or_default();
            ensure!(line.contains(wanted) && !said.contains("panicked"), "{path}: {said}");
        }
        Ok(())
    })
    .await
}

/// Domains whose DNS is nonsense: each has its own end, and none holds up the others.
#[tokio::test(flavor = "multi_thread")]
async fn domains_that_make_no_sense() -> Result<()> {
    let sink = Sink::start(SinkOptions::default()).await?;
    let dns = Dns::start(|name, kind| match (name, kind) {
        ("many.out", Kind::Mx) => {
            Answer::Mx((0..25).map(|n| (10, format!("m{n}.none.out"))).collect())
        }
        ("null.out", Kind::Mx) => Answer::Mx(vec![(0, ".".into())]),
        ("mixed.out", Kind::Mx) => Answer::Mx(vec![(0, ".".into()), (10, "mx.good.out".into())]),
        ("ip.out", Kind::Mx) => Answer::Mx(vec![(10, "127.0.0.1".into())]),
        ("itself.out" | "implicit.out", Kind::Mx) => Answer::NoData,
        ("itself.out", Kind::A) => Answer::NoData,
        ("good.out", Kind::Mx) => Answer::Mx(vec![(10, "mx.good.out".into())]),
        ("mx.good.out" | "implicit.out", Kind::A) => Answer::A(vec![Ipv4Addr::LOCALHOST]),
        ("broken.out", _) => Answer::Failure,
        _ => Answer::NoDomain,
    });
    let outside = Outside { sink, dns: dns.await? };
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let domains = [
            "many.out",
            "null.out",
            "mixed.out",
            "ip.out",
            "itself.out",
            "implicit.out",
            "broken.out",
            "good.out",
            "nxdomain.out",
            "[127.0.0.1]",
        ];
        let to: Vec<String> = domains.iter().map(|domain| format!("x@{domain}")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        submit(&cluster.nodes[0], &anna, &to, "one").await?;
        until("all but one are done", async || {
            let rows = queue(cluster, &["queue", "list"]).ok()?;
            let rows = rows.as_array()?;
            (rows.len() == 1
                && rows[0]["recipient"] == "x@broken.out"
                && rows[0]["attempts"].as_u64()? > 0)
                .then_some(())
        })
        .await?;
        let mut arrived: Vec<String> =
            outside.sink.arrivals().into_iter().flat_map(|arrival| arrival.to).collect();
        arrived.sort();
        // Loopback is allowed here, so that a literal is an address like any other.
        assert_eq!(
            arrived,
            ["x@[127.0.0.1]", "x@good.out", "x@implicit.out", "x@ip.out", "x@mixed.out"]
        );
        let reports = inbox(&cluster.nodes[0], &anna).await?.join("\n");
        for (domain, status) in [
            ("many.out", "5.4.4"),
            ("null.out", "5.1.10"),
            ("itself.out", "5.4.4"),
            ("nxdomain.out", "5.1.2"),
        ] {
            let at =
                reports.find(&format!("Final-Recipient: rfc822; x@{domain}")).context(domain)?;
            let block: String = reports[at..].chars().take(120).collect();
            ensure!(block.contains(&format!("Status: {status}")), "{domain}: {block}");
        }
        queue(cluster, &["queue", "cancel", "--all"])?;
        Ok(())
    })
    .await
}

/// Routes that overlap, a relay that is dead, one that does not like our password: mail waits for the operator and goes
/// nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn routes_to_nowhere_keep_the_mail() -> Result<()> {
    let outside = Outside::new().await?;
    let relay = Sink::start(SinkOptions::default()).await?;
    let dead = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut options = outside.options();
    options.settings.push(("delivery.connect_timeout_ms".into(), 500.into()));
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let live = relay.address().to_string();
        queue(cluster, &["route", "add", "*.out", "--relay", &dead])?;
        queue(cluster, &["route", "add", "*.sub.out", "--relay", &live])?;
        queue(cluster, &["route", "add", "by-dns.sub.out"])?;
        queue(cluster, &["route", "add", "nohost.out", "--relay", "no-such-host.invalid:25"])?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let to = ["1@a.out", "2@x.sub.out", "3@sub.out", "4@by-dns.sub.out", "5@nohost.out"];
        submit(&cluster.nodes[0], &anna, &to, "one").await?;
        relay.wait_for(1, SOON).await?;
        outside.sink.wait_for(1, SOON).await?;
        until("the others were tried", async || {
            let rows = queue(cluster, &["queue", "list"]).ok()?;
            let rows = rows.as_array()?;
            let tried = rows.iter().filter(|row| row["attempts"].as_u64() >= Some(1)).count();
            (rows.len() == 3 && tried == 3).then_some(())
        })
        .await?;
        assert_eq!(relay.arrivals()[0].to, ["2@x.sub.out"]);
        assert_eq!(outside.sink.arrivals()[0].to, ["4@by-dns.sub.out"]);
        assert_eq!((relay.count(), outside.sink.count()), (1, 1));
        for pattern in ["*.out", "nohost.out"] {
            queue(cluster, &["route", "remove", pattern])?;
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        queue(cluster, &["queue", "retry", "--all"])?;
        outside.sink.wait_for(4, SOON).await?;
        emptied(cluster).await?;
        assert_eq!(inbox(&cluster.nodes[0], &anna).await?.len(), 0, "nothing was given up");
        Ok(())
    })
    .await
}

/// A route's own end counts for what nobody tries, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_routes_own_end_needs_no_try() -> Result<()> {
    let outside = Outside::new().await?;
    let mut options = outside.options();
    options.settings.push(("queue.chores_seconds".into(), 1.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let times = ["--retry-first", "1s", "--retry-longest", "2s", "--expire", "4s"];
        queue(cluster, &[&["route", "add", "*.short.out"], &times[..]].concat())?;
        // The more special one has no end of its own.
        queue(cluster, &["route", "add", "long.short.out"])?;
        queue(cluster, &["queue", "pause", "--all"])?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let to = ["1@a.short.out", "2@b.short.out", "3@long.short.out", "4@other.out"];
        submit(&cluster.nodes[0], &anna, &to, "one").await?;
        assert_eq!(queue(cluster, &["queue", "hold", "--domain", "b.short.out"])?["recipients"], 1);
        let told = until("the sender hears of it", async || {
            let inbox = inbox(&cluster.nodes[1], &anna).await.ok()?;
            let told: usize = inbox.iter().map(|one| one.matches("Final-Recipient:").count()).sum();
            (told >= 2).then_some(inbox.join("\n"))
        });
        let told = told.await?;
        for who in ["1@a.short.out", "2@b.short.out"] {
            ensure!(told.contains(&format!("Final-Recipient: rfc822; {who}")), "{told}");
        }
        ensure!(told.contains("Status: 5.4.7") && !told.contains("3@long"), "{told}");
        let rows = queue(cluster, &["queue", "list"])?;
        assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
        assert_eq!(outside.sink.count(), 0);
        queue(cluster, &["queue", "resume", "--all"])?;
        outside.sink.wait_for(2, SOON).await?;
        emptied(cluster).await
    })
    .await
}

/// Mail for a full mailbox is late too: our own users hear of it, and whoever asks; a stranger, whose name anybody may
/// have used, does not.
#[tokio::test(flavor = "multi_thread")]
async fn late_local_mail_is_told_of() -> Result<()> {
    let outside = Outside::new().await?;
    let mut options = outside.options();
    options.settings.push(("queue.delay_report_seconds".into(), 2.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let (anna, ben) = (cluster.account("anna")?, cluster.account("ben")?);
        let client = cluster.database.client().await?;
        let full = "UPDATE account_state SET quota_bytes = $1 WHERE account_id = (SELECT id FROM account WHERE address = $2)";
        client.execute(full, &[&1_i64, &ben]).await?;
        let node = &cluster.nodes[0];
        submit(node, &anna, &[&ben], "one").await?;
        // From elsewhere: nobody asks; who asks; who asks for other things.
        let mut stranger = SmtpClient::connect(node.smtp()?).await?;
        stranger.ehlo().await?;
        for (from, notify) in
            [("quiet", ""), ("asks", " NOTIFY=DELAY,FAILURE"), ("fails", " NOTIFY=FAILURE")]
        {
            stranger.command(&format!("MAIL FROM:<{from}@a.out> ENVID={from}")).await?;
            let reply = stranger.command(&format!("RCPT TO:<{ben}>{notify}")).await?;
            ensure!(reply.code == 250, "{}", reply.text());
            stranger.command("DATA").await?;
            stranger.stream.send(&testkit::stuffed(&super::super::message(from, 500))).await?;
            ensure!(stranger.reply().await?.code == 250);
        }
        // A full mailbox is looked at again after minutes.
        queue(cluster, &["queue", "retry", "--state", "local"])?;
        outside.sink.wait_for(1, SOON).await?;
        let told = until("the sender hears of it", async || {
            inbox(&cluster.nodes[1], &anna).await.ok()?.pop()
        });
        let told = told.await?;
        for wanted in [
            "Subject: Your message is delayed",
            &format!("Final-Recipient: rfc822; {ben}"),
            "Action: delayed",
            "Status: 4.2.2",
            "Will-Retry-Until:",
            "over quota",
        ] {
            ensure!(told.contains(wanted), "{wanted}: {told}");
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let arrivals = outside.sink.arrivals();
        assert_eq!(arrivals.len(), 1, "{arrivals:?}");
        assert_eq!((arrivals[0].from.as_str(), &arrivals[0].to[0][..]), ("", "asks@a.out"));
        // There is room again.
        client.execute(full, &[&1_000_000_i64, &ben]).await?;
        queue(cluster, &["queue", "retry", "--all"])?;
        emptied(cluster).await?;
        assert_eq!(inbox(&cluster.nodes[0], &ben).await?.len(), 4);
        assert_eq!(inbox(&cluster.nodes[0], &anna).await?.len(), 1, "once");
        Ok(())
    })
    .await
}

/// RFC 8689 §5: what comes back of a message that asks for TLS is its header, whatever RET says.
#[tokio::test(flavor = "multi_thread")]
async fn what_requires_tls_comes_back_as_a_header() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        for (id, wish) in [("tls", " REQUIRETLS"), ("free", "")] {
            let never = Effect::Reply("550 5.1.1 no such user here".into());
            outside.sink.rule(Rule::new(Moment::Rcpt, "free@*", never));
            client.ehlo().await?;
            let reply = client.command(&format!("MAIL FROM:<{anna}> RET=FULL{wish}")).await?;
            ensure!(reply.code == 250, "{}", reply.text());
            client.command(&format!("RCPT TO:<{id}@a.out>")).await?;
            client.command("DATA").await?;
            client.stream.send(&testkit::stuffed(&super::super::message(id, 500))).await?;
            ensure!(client.reply().await?.code == 250);
        }
        emptied(cluster).await?;
        let inbox = inbox(&cluster.nodes[0], &anna).await?;
        let about =
            |id: &str| inbox.iter().find(|one| one.contains(&format!("rfc822; {id}@a.out")));
        let tls = about("tls").context("a report")?;
        ensure!(tls.contains("Status: 5.7.30") && tls.contains("text/rfc822-headers"), "{tls}");
        ensure!(!tls.contains("dull boy"), "{tls}");
        ensure!(about("free").context("a report")?.contains("dull boy"));
        assert_eq!(outside.sink.count(), 0);
        Ok(())
    })
    .await
}

/// 8-bit content that its client did not announce is not given to a server that cannot take it; who is named twice gets
/// it once.
#[tokio::test(flavor = "multi_thread")]
async fn what_clients_do_not_say() -> Result<()> {
    let outside = Outside::with(|sink| {
        sink.keep = true;
        sink.keywords.retain(|word| word != "8BITMIME" && word != "BINARYMIME");
    });
    let outside = outside.await?;
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        let text = "Subject: one\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
        let to = ["x@a.out", "x@a.out", "y@a.out", "x@a.out"];
        ensure!(client.send_mail(&anna, &to, text.as_bytes()).await?.code == 250);
        outside.sink.wait_for(1, SOON).await?;
        emptied(cluster).await?;
        let arrivals = outside.sink.arrivals();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].to, ["x@a.out", "y@a.out"]);
        let content = arrivals[0].content.clone().context("kept")?;
        let content = String::from_utf8(content)?;
        ensure!(content.is_ascii() && content.contains("Gr=C3=BC=C3=9Fe"), "{content}");
        // Whoever is named twice for different reasons is told of both.
        client.ehlo().await?;
        client.command(&format!("MAIL FROM:<{anna}>")).await?;
        for list in ["one", "two"] {
            let rcpt = format!("RCPT TO:<x@b.out> NOTIFY=SUCCESS ORCPT=rfc822;{list}@list.out");
            ensure!(client.command(&rcpt).await?.code == 250);
        }
        client.command("DATA").await?;
        client.stream.send(&testkit::stuffed(&super::super::message("two", 300))).await?;
        ensure!(client.reply().await?.code == 250);
        emptied(cluster).await?;
        assert_eq!(outside.sink.arrivals()[1].to, ["x@b.out", "x@b.out"]);
        Ok(())
    })
    .await
}

/// A domain whose host is our own listener by another name: refused by what we call ourselves, once, without a loop.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_our_own_listener() -> Result<()> {
    let own = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let dns = Dns::start(|name, kind| match (name, kind) {
        ("loop.out", Kind::Mx) => Answer::Mx(vec![(10, "innocent.out".into())]),
        ("innocent.out", Kind::A) => Answer::A(vec![Ipv4Addr::LOCALHOST]),
        _ => Answer::NoDomain,
    });
    let outside = Outside { sink: Sink::start(SinkOptions::default()).await?, dns: dns.await? };
    let mut options = outside.options();
    let mut set = |path: &str, value: toml::Value| options.settings.push((path.to_owned(), value));
    set("listen.smtp.addresses", vec![own.to_string()].into());
    set("delivery.port", i64::from(own.port()).into());
    set("hostname", "balancer.test".into());
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        submit(&cluster.nodes[0], &anna, &["x@loop.out"], "one").await?;
        emptied(cluster).await?;
        let reports = inbox(&cluster.nodes[0], &anna).await?;
        ensure!(reports.len() == 1 && reports[0].contains("Status: 5.4.6"), "{reports:#?}");
        ensure!(reports[0].contains("the mail would come back to this server"), "{}", reports[0]);
        Ok(())
    })
    .await
}

/// Hundreds of domains that nobody answers for do not hold up mail for one that is well.
#[tokio::test(flavor = "multi_thread")]
async fn domains_that_nobody_answers_for_hold_up_nobody() -> Result<()> {
    let sink = Sink::start(SinkOptions::default()).await?;
    let dns = Dns::start(|name, kind| match (name, kind) {
        _ if name.ends_with(".silent.out") => Answer::Silence,
        ("good.out", Kind::Mx) => Answer::Mx(vec![(10, "mx.good.out".into())]),
        ("mx.good.out", Kind::A) => Answer::A(vec![Ipv4Addr::LOCALHOST]),
        _ => Answer::NoDomain,
    });
    let outside = Outside { sink, dns: dns.await? };
    let mut options = outside.options();
    options.settings.push(("queue.connections".into(), 20.into()));
    options.settings.push(("resolve.timeout_ms".into(), 2_000.into()));
    options.settings.push(("queue.retry_first_seconds".into(), 3600.into()));
    options.settings.push(("queue.retry_longest_seconds".into(), 3600.into()));
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let to: Vec<String> = (0..200).map(|n| format!("x@d{n}.silent.out")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        submit(&cluster.nodes[0], &anna, &to, "silent").await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = std::time::Instant::now();
        submit(&cluster.nodes[0], &anna, &["x@good.out"], "good").await?;
        outside.sink.wait_for(1, Duration::from_secs(200)).await?;
        let took = begun.elapsed();
        println!("beside 200 silent domains over 20 connections: {took:.1?}");
        ensure!(took < Duration::from_secs(50), "{took:?}");
        queue(cluster, &["queue", "cancel", "--all"])?;
        Ok(())
    })
    .await
}
