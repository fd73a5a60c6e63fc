//! What is read of a server's words, whatever they are: nothing panics, and nothing of a secret is passed on.

use bytes::Bytes;
use http::HeaderValue;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::client::answer::without_proof;
use crate::client::auth::Tokens;

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
        let body = Bytes::from(format!("{before}{proof}{after}"));
        let kept = without_proof(body.clone(), Some(&sent));
        prop_assert!(!String::from_utf8_lossy(&kept).contains(&proof));
        prop_assert_eq!(without_proof(body.clone(), None), body);
    }
}
