use russh::keys::signature::Verifier as _;
use russh::keys::ssh_encoding::Decode as _;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

use super::*;

fn key_agent(seed: u8) -> KeyAgent {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    let pem = key.to_openssh(LineEnding::LF).expect("encodes");
    KeyAgent::new(&Secret::new(pem.as_bytes())).expect("a key")
}

fn login(agent: &KeyAgent, method: &[u8], service: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    put_string(&mut data, &[9; 32]);
    data.push(USERAUTH_REQUEST);
    put_string(&mut data, b"git");
    put_string(&mut data, service);
    put_string(&mut data, method);
    data.push(1);
    put_string(&mut data, b"ssh-ed25519");
    put_string(&mut data, &agent.blob);
    data
}

fn sign_request(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut request = vec![SIGN_REQUEST];
    put_string(&mut request, key);
    put_string(&mut request, data);
    request.extend_from_slice(&0_u32.to_be_bytes());
    request
}

async fn ask(agent: &KeyAgent, request: &[u8]) -> Vec<u8> {
    let (mut ours, theirs) = tokio::io::duplex(4096);
    let serving = tokio::spawn({
        let agent = agent.clone();
        async move { agent.serve(theirs).await }
    });
    let mut frame = Vec::new();
    put_string(&mut frame, request);
    ours.write_all(&frame).await.expect("written");
    let length = ours.read_u32().await.expect("answered") as usize;
    let mut answer = vec![0; length];
    ours.read_exact(&mut answer).await.expect("answered");
    drop(ours);
    serving.await.expect("joined").expect("served");
    answer
}

#[tokio::test]
async fn it_shows_the_public_half_and_signs_logins() {
    let agent = key_agent(1);
    let answer = ask(&agent, &[REQUEST_IDENTITIES]).await;
    let mut rest = &answer[5..];
    assert_eq!(&answer[..5], &[IDENTITIES_ANSWER, 0, 0, 0, 1]);
    assert_eq!(take_string(&mut rest).expect("a key"), &*agent.blob);

    let data = login(&agent, b"publickey", b"ssh-connection");
    let answer = ask(&agent, &sign_request(&agent.blob, &data)).await;
    assert_eq!(answer[0], SIGN_RESPONSE);
    let mut rest = &answer[1..];
    let signature = take_string(&mut rest).expect("a signature");
    let signature = Signature::decode(&mut &*signature).expect("well formed");
    agent
        .public_key()
        .key_data()
        .verify(&data, &signature)
        .expect("verifies");
}

#[tokio::test]
async fn everything_else_is_refused() {
    let (agent, other) = (key_agent(1), key_agent(2));
    let login_data = login(&agent, b"publickey", b"ssh-connection");
    let mut sshsig = b"SSHSIG".to_vec();
    put_string(&mut sshsig, b"git");
    for request in [
        vec![],
        vec![17, 0, 0],
        vec![REQUEST_IDENTITIES, 1],
        vec![SIGN_REQUEST, 0xff, 0xff, 0xff, 0xff],
        sign_request(&other.blob, &login_data),
        sign_request(&agent.blob, &sshsig),
        sign_request(&agent.blob, &login(&agent, b"publickey", b"other-service")),
        sign_request(&agent.blob, &login(&agent, b"password", b"ssh-connection")),
        sign_request(&agent.blob, &login(&other, b"publickey", b"ssh-connection")),
        sign_request(&agent.blob, &[&login_data[..], b"x"].concat()),
    ] {
        assert_eq!(ask(&agent, &request).await, [FAILURE], "{request:?}");
    }
}

#[test]
fn a_broken_key_is_not_shown() {
    let error = KeyAgent::new(&Secret::new("canary-4711")).expect_err("no key");
    assert!(!format!("{error} {error:?}").contains("canary"));
}
