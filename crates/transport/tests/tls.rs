//! Who is let in, who is not, and what each of them is told.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use airlock_transport::ca::{AgentKey, InstanceCa, ServerIdentity};
use airlock_transport::dial::{Dialer, HostPort};
use airlock_transport::http_client::HttpClient;
use airlock_transport::listener::{ListenerLimits, PeerInfo, TlsListener};
use airlock_transport::tls::{ClientCertificates, ClientTls, client_config, server_config};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::instance::{Instance, agent_id, any_port};

/// What a client with these settings meets: who it is to the server, or the client's error.
async fn meet(listener: &mut TlsListener, client: &ClientTls) -> Result<PeerInfo, String> {
    let url = format!("https://localhost:{}/x", listener.local_addr().port());
    let client = HttpClient::new(client);
    let request = client.request(Method::GET, &url).send();
    tokio::select! {
        connection = listener.accept() => Ok(connection.peer),
        result = request => Err(result.expect_err("nobody answers HTTP here").to_string()),
    }
}

#[tokio::test]
async fn agents_are_known_by_their_certificate_and_browsers_need_none() {
    let instance = Instance::new();
    let mut listener = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let agent = instance.agent(&instance.ca, agent_id(), SystemTime::now());
    let peer = meet(&mut listener, &agent).await.expect("let in");
    let identity = peer.agent.expect("known");
    assert_eq!(identity.agent, agent_id());
    assert!(identity.not_after > SystemTime::now());
    let peer = meet(&mut listener, &instance.anonymous()).await.expect("let in");
    assert_eq!(peer.agent, None);
}

#[tokio::test]
async fn an_agents_door_wants_a_certificate() {
    let instance = Instance::new();
    let mut listener = instance
        .listen(ClientCertificates::Required, ListenerLimits::default())
        .await;
    let agent = instance.agent(&instance.ca, agent_id(), SystemTime::now());
    meet(&mut listener, &agent).await.expect("the positive control");
    let error = meet(&mut listener, &instance.anonymous())
        .await
        .expect_err("refused");
    assert!(
        error.contains("not enrolled") || error.contains("CertificateRequired"),
        "{error}"
    );
}

#[tokio::test]
async fn certificates_of_another_ca_and_of_another_day_are_refused() {
    let (instance, other) = (Instance::new(), Instance::new());
    let mut listener = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let foreign = instance.agent(&other.ca, agent_id(), SystemTime::now());
    let error = meet(&mut listener, &foreign).await.expect_err("refused");
    assert!(
        error.contains(&format!(":{}", listener.local_addr().port())),
        "the error says where: {error}"
    );
    let yesterday = SystemTime::now() - Duration::from_hours(25);
    meet(
        &mut listener,
        &instance.agent(&instance.ca, agent_id(), yesterday),
    )
    .await
    .expect_err("expired");
    let tomorrow = SystemTime::now() + Duration::from_hours(25);
    meet(&mut listener, &instance.agent(&instance.ca, agent_id(), tomorrow))
        .await
        .expect_err("not yet valid");
}

/// A stolen server key must not pass for an agent.
#[tokio::test]
async fn a_server_certificate_is_no_client_certificate() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ca = InstanceCa::open(dir.path(), SystemTime::now()).expect("CA");
    let own = ServerIdentity::open(dir.path(), &ca, &[], SystemTime::now()).expect("identity");
    let tls = server_config(&own, ca.certificate_pem(), ClientCertificates::Optional).expect("TLS settings");
    let mut listener = TlsListener::bind(any_port(), "--listen", &tls, ListenerLimits::default())
        .await
        .expect("bound");
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("read");
    let key = AgentKey::from_pem(&airlock_domain::secret::Secret::new(read("server.key"))).expect("key");
    let thief = client_config(ca.certificate_pem(), Some((&read("server.crt"), &key))).expect("TLS settings");
    meet(&mut listener, &thief).await.expect_err("refused");
}

#[tokio::test]
async fn a_client_trusts_its_one_ca_and_says_why_it_refuses() {
    let (instance, other) = (Instance::new(), Instance::new());
    let mut listener = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let error = meet(&mut listener, &other.anonymous())
        .await
        .expect_err("refused");
    assert!(error.contains("not signed by the CA trusted here"), "{error}");
    let old = Instance::with_server_certificate_of(SystemTime::now() - Duration::from_hours(91 * 24));
    let mut listener = old
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let error = meet(&mut listener, &old.anonymous()).await.expect_err("refused");
    assert!(error.contains("has expired"), "{error}");
}

/// All of 127.0.0.0/8 is this machine; certificates hold 127.0.0.1 unless told more.
#[tokio::test]
async fn a_host_name_the_certificate_lacks_is_told() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let ca = InstanceCa::open(dir.path(), SystemTime::now()).expect("CA");
    for (names, works) in [(vec![], false), (vec!["127.0.0.2".to_owned()], true)] {
        let identity = ServerIdentity::open(dir.path(), &ca, &names, SystemTime::now()).expect("identity");
        let tls = server_config(&identity, ca.certificate_pem(), ClientCertificates::Optional)
            .expect("TLS settings");
        let address = ([127, 0, 0, 2], 0).into();
        let mut listener = TlsListener::bind(address, "--listen", &tls, ListenerLimits::default())
            .await
            .expect("bound");
        let client = HttpClient::new(&client_config(ca.certificate_pem(), None).expect("TLS settings"));
        let url = format!("https://127.0.0.2:{}/x", listener.local_addr().port());
        let request = client.request(Method::GET, &url).send();
        let told = tokio::select! {
            _ = listener.accept() => None,
            result = request => Some(result.expect_err("nobody answers").to_string()),
        };
        assert_eq!(told.is_none(), works, "{told:?}");
        assert!(told.is_none_or(|error| error.contains("does not hold this host name")));
    }
}

#[tokio::test]
async fn plain_http_is_answered_in_plain_http() {
    let instance = Instance::new();
    let mut listener = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let port = listener.local_addr().port();
    let place = HostPort::new("127.0.0.1", port).expect("place");
    let talk = async {
        let mut stream = Dialer::only(place.clone())
            .connect(&place)
            .await
            .expect("connected");
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer
    };
    let answer = tokio::select! {
        _ = listener.accept() => panic!("that was no TLS"),
        answer = talk => answer,
    };
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(
        answer.contains(&format!("Use https:// in the address, with port {port}")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_silent_client_delays_nobody_and_is_dropped() {
    let instance = Instance::new();
    let limits = ListenerLimits {
        handshake: Duration::from_millis(300),
        ..ListenerLimits::default()
    };
    let mut listener = instance.listen(ClientCertificates::Optional, limits).await;
    let place = HostPort::new("127.0.0.1", listener.local_addr().port()).expect("place");
    let mut silent = Dialer::only(place.clone())
        .connect(&place)
        .await
        .expect("connected");
    meet(&mut listener, &instance.anonymous())
        .await
        .expect("served meanwhile");
    let dropped = tokio::select! {
        _ = listener.accept() => panic!("nobody else comes"),
        read = silent.read_u8() => read,
    };
    assert_eq!(
        dropped.expect_err("closed").kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_for_a_place() {
    let instance = Instance::new();
    let limits = ListenerLimits {
        connections: 1,
        ..ListenerLimits::default()
    };
    let mut listener = instance.listen(ClientCertificates::Optional, limits).await;
    let (url, client) = (
        format!("https://localhost:{}/", listener.local_addr().port()),
        instance.client(),
    );
    let first = client.request(Method::GET, &url).send();
    let held = tokio::select! { c = listener.accept() => c, _ = first => panic!("nobody answers") };
    let (url, client) = (url, instance.client());
    let mut second = Box::pin(
        client
            .request(Method::GET, &url)
            .time_limit(Duration::from_secs(100))
            .send(),
    );
    tokio::select! {
        _ = listener.accept() => panic!("there was no place"),
        _ = &mut second => panic!("nobody answers"),
        () = tokio::time::sleep(Duration::from_millis(200)) => {}
    }
    drop(held);
    tokio::select! { c = listener.accept() => drop(c), _ = second => panic!("nobody answers") }
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_option_that_changes_it() {
    let instance = Instance::new();
    let first = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let tls = server_config(
        &instance.identity,
        instance.ca.certificate_pem(),
        ClientCertificates::Optional,
    );
    let tls = tls.expect("TLS settings");
    let again = TlsListener::bind(
        first.local_addr(),
        "--https-listen",
        &tls,
        ListenerLimits::default(),
    )
    .await;
    let error = again.expect_err("in use").to_string();
    let expected = format!(
        "{} is in use by another process: stop that one, or choose another address with --https-listen",
        first.local_addr()
    );
    assert_eq!(error, expected);
}

/// The openssl command line as an independent client: 1.2 and 1.3 with AEAD suites work, older ones do not.
#[tokio::test]
async fn old_protocols_and_ciphers_are_refused() {
    let instance = Instance::new();
    let mut listener = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let address = listener.local_addr().to_string();
    for (options, works) in [
        (&["-tls1_3"][..], true),
        (&["-tls1_2"], true),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",
            ],
            false,
        ),
    ] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address]).args(options);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut openssl = tokio::process::Command::from(command)
            .spawn()
            .expect("openssl runs");
        if works {
            listener.accept().await;
            openssl.wait().await.expect("waited");
        } else {
            let ended = tokio::select! {
                _ = listener.accept() => panic!("openssl s_client {options:?} was let in"),
                ended = openssl.wait() => ended.expect("waited"),
            };
            assert!(!ended.success(), "openssl s_client {options:?}");
        }
    }
}
