//! What is read of a server's words, whatever they are: nothing panics, and nothing of a secret is passed on.

use http::HeaderValue;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::client::Credentials;
use crate::client::auth::{Authenticator, Tokens, Veil};

proptest! {
    #[test]
    fn answers_of_token_services_never_panic(
        body in "\\PC{0,60}|\\{\"(token|access_token|expires_in|issued_at)\":[\"0-9a-zA-Z:.,{}\\[\\]-]{0,40}\\}",
    ) {
        let _ = Tokens::default().read(body.as_bytes(), Instant::now(), None);
    }

    #[test]
    fn tokens_are_taken_and_not_printed(token in "[A-Za-z0-9._-]{8,60}", expires in any::<u64>()) {
        let body = serde_json::json!({"token": token, "expires_in": expires}).to_string();
        let granted = Tokens::default().read(body.as_bytes(), Instant::now(), None);
        prop_assert!(granted.is_some());
        let printed = format!("{:?}", granted.map(|it| it.token));
        prop_assert!(!printed.contains(&token), "{}", printed);
    }

    #[test]
    fn what_proved_who_asks_is_not_repeated(
        before in "\\PC{0,20}",
        proof in "[A-Za-z0-9._-]{8,60}",
        after in "\\PC{0,20}",
    ) {
        let sent = HeaderValue::from_str(&format!("Bearer {proof}")).unwrap();
        let body = format!("{before}{proof}{after}");
        let covered = |sent| {
            let mut veil = Veil::default();
            Authenticator::new(&Credentials::Anonymous).unwrap().hide(&mut veil, sent);
            veil.cover(&body)
        };
        prop_assert!(!covered(Some(&sent)).contains(&proof));
        prop_assert_eq!(covered(None), body);
    }
}
