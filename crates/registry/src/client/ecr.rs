//! Making a repository at Amazon's private registry, by its own API: JSON 1.1, signed with keys that are no
//! registry credentials ([`super::sigv4`]). Its public registry is managed otherwise and is not in here.

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use sealift_oci::RepositoryName;
use sealift_store::{ErrorKind, Operation};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::answer::Answer;
use super::auth::{Authorization, Veil};
use super::connection::Connection;
use super::creation::Created;
use super::fault::{Fault, Purpose};
use super::redirect::is_web;
use super::request::Request;
use super::sigv4::{AmazonKeys, Scope, timestamp};
use super::transport::is_loopback;

/// What a request to the API is (the SDKs' model of 2015-09-21).
const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The name of the service in signatures, also where the host's name is another one.
const SERVICE: &str = "ecr";
/// Below these, keys go to Amazon and to nobody else.
const SUFFIXES: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// What makes repositories at Amazon's registry: keys, and where its API answers.
#[derive(Clone, Debug)]
pub struct Amazon {
    /// The keys.
    pub keys: AmazonKeys,
    /// Where the API answers, where that is not told by the registry's name: as an interface of a private
    /// network (`AWS_ENDPOINT_URL_ECR`).
    pub endpoint: Option<String>,
}

/// A private registry, as its host's name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EcrHost {
    account: String,
    region: String,
    /// The host of the API.
    api: String,
}

impl EcrHost {
    /// Reads `<account>.dkr.ecr.<region>.amazonaws.com`, with `.cn` behind it in China.
    fn parse(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let (account, rest) = host.split_once(".dkr.")?;
        let (service, rest) = rest.split_once('.')?;
        let (region, suffix) = rest.split_once('.')?;
        let prefix = match service {
            "ecr" => "api.ecr",
            "ecr-fips" => "ecr-fips",
            _ => return None,
        };
        let is_word =
            |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        (SUFFIXES.contains(&suffix) && is_word(account) && is_word(region)).then(|| Self {
            account: account.to_owned(),
            region: region.to_owned(),
            api: format!("https://{prefix}.{region}.{suffix}/"),
        })
    }
}

impl Connection {
    /// Makes a repository at Amazon's registry.
    pub(super) async fn create_at_amazon(
        &self,
        name: &RepositoryName,
        amazon: Option<&Amazon>,
    ) -> Result<Created, Fault> {
        let purpose = Purpose::new(Operation::CreateRepository, name);
        let by_hand = |why: &str| {
            let command = command(self.registry.host(), name);
            purpose.fault(ErrorKind::Unsupported).because(format_args!("{why}; by hand: {command}"))
        };
        let host = EcrHost::parse(self.registry.host());
        let host = host.ok_or_else(|| by_hand("Amazon makes it by an API that is not known here"))?;
        let amazon = amazon.ok_or_else(|| by_hand("no keys for Amazon's API are given"))?;
        let (request, authorization) = self.creation(&host, name, amazon, &purpose)?;
        // Sent twice it is there already, which is as good.
        let answer = self.exchange(&request, &authorization).await?;
        if answer.status == StatusCode::OK {
            return Ok(Created::Made);
        }
        let refused = Refused::read(&answer, &amazon.keys);
        if refused.name == "RepositoryAlreadyExistsException" {
            return Ok(Created::Existed);
        }
        let fault = self.refusal(&request, &answer);
        let kind = refused.kind().unwrap_or(fault.kind);
        let reason = format_args!("Amazon's API answers {}: {}", answer.status.as_str(), refused.words());
        Err(purpose.fault(kind).because(reason))
    }

    fn creation(
        &self,
        host: &EcrHost,
        name: &RepositoryName,
        amazon: &Amazon,
        purpose: &Purpose,
    ) -> Result<(Request, Authorization), Fault> {
        let address = amazon.endpoint.as_deref().unwrap_or(&host.api);
        let wrong = |why: &str| purpose.fault(ErrorKind::Invalid).because(why);
        let url = Url::parse(address).ok().filter(|url| is_web(url) && is_safe(url));
        let url = url.ok_or_else(|| wrong("the address of Amazon's API is none of HTTPS"))?;
        let body = json!({"registryId": host.account, "repositoryName": name.as_str()}).to_string();
        let time = timestamp((self.config.now)());
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut headers = vec![("content-type", CONTENT_TYPE), ("host", authority), ("x-amz-date", &time)];
        if let Some(session) = &amazon.keys.session {
            headers.push(("x-amz-security-token", session.expose()));
        }
        headers.push(("x-amz-target", TARGET));
        let scope = Scope { region: &host.region, service: SERVICE, time: &time };
        let signed = amazon.keys.sign(&scope, &headers, body.as_bytes());
        let signed =
            signed.ok_or_else(|| wrong("the keys for Amazon's API have characters that none has"))?;
        let mut request = Request::new(Method::POST, url.clone(), purpose);
        for (name, value) in headers.iter().filter(|(name, _)| *name != header::HOST) {
            request =
                request.header(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(name))?, value);
        }
        Ok((request.body(Bytes::from(body)), Authorization::Signed(signed)))
    }
}

/// A session's token is no signature: who sees it has half of what the keys are.
fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// What the API says of a request that it refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refused {
    /// `RepositoryNotFoundException`, perhaps with a name space and `#` before it.
    #[serde(rename = "__type")]
    name: String,
    #[serde(alias = "Message")]
    message: String,
}

impl Refused {
    /// Some servers repeat what they were sent, so the keys are taken out before anything else is done.
    fn read(answer: &Answer, keys: &AmazonKeys) -> Self {
        let body = keys.veil().cover(&String::from_utf8_lossy(&answer.bytes()));
        let mut refused: Self = serde_json::from_str(&body).unwrap_or_default();
        if let Some((_, name)) = refused.name.rsplit_once('#') {
            refused.name = name.to_owned();
        }
        refused
    }

    fn kind(&self) -> Option<ErrorKind> {
        Some(match self.name.as_str() {
            "AccessDeniedException" => ErrorKind::Denied,
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "IncompleteSignature"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
            | "InvalidClientTokenId"
            | "ExpiredTokenException"
            | "RequestExpired" => ErrorKind::Unauthenticated,
            "ThrottlingException" => ErrorKind::Busy,
            "LimitExceededException" => ErrorKind::NoSpace,
            "ServerException" => ErrorKind::Unavailable,
            _ => return None,
        })
    }

    fn words(&self) -> String {
        super::status::plain(&format!("{} {}", self.name, self.message), super::status::MESSAGE_LIMIT)
    }
}

/// The command of Amazon's own tool that makes a repository.
fn command(host: &str, name: &RepositoryName) -> String {
    let parts: Vec<&str> = host.split('.').collect();
    match parts[..] {
        [account, "dkr", _, region, ..] => format!(
            "aws ecr create-repository --registry-id {account} --region {region} --repository-name {name}"
        ),
        // The public one is managed from one region; the first part of a name is its owner's alias.
        _ => {
            let name = name.as_str().split_once('/').map_or(name.as_str(), |(_, name)| name);
            format!("aws ecr-public create-repository --region us-east-1 --repository-name {name}")
        }
    }
}

impl AmazonKeys {
    fn veil(&self) -> Veil {
        let mut veil = Veil::default();
        [Some(&self.secret), self.session.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|it| veil.add(it.expose()));
        veil
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::quirks::is_ecr;

    #[test]
    fn hosts_tell_account_region_and_api() {
        let cases = [
            (
                "1.dkr.ecr.eu-west-1.amazonaws.com",
                Some(("eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com/")),
            ),
            (
                "1.dkr.ECR.cn-north-1.amazonaws.com.cn",
                Some(("cn-north-1", "https://api.ecr.cn-north-1.amazonaws.com.cn/")),
            ),
            (
                "1.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                Some(("us-gov-west-1", "https://ecr-fips.us-gov-west-1.amazonaws.com/")),
            ),
            ("1.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
            ("1.dkr.ecr.evil.example", None),
            ("1.dkr.ecr.a/b.amazonaws.com", None),
            ("1.dkr.ecr..amazonaws.com", None),
            ("1.dkr.s3.eu-west-1.amazonaws.com", None),
            ("public.ecr.aws", None),
        ];
        for (host, expected) in cases {
            let found = EcrHost::parse(host);
            let found = found.as_ref().map(|it| (it.region.as_str(), it.api.as_str()));
            assert_eq!(found, expected, "{host}");
        }
    }

    #[test]
    fn the_command_can_be_copied() {
        let cases = [
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                "aws ecr create-repository --registry-id 123456789012 --region eu-west-1 --repository-name a/b",
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                "aws ecr create-repository --registry-id 123456789012 --region us-gov-west-1 --repository-name a/b",
            ),
            ("public.ecr.aws", "aws ecr-public create-repository --region us-east-1 --repository-name b"),
        ];
        for (host, expected) in cases {
            assert!(is_ecr(host), "{host}");
            assert_eq!(command(host, &"a/b".parse().unwrap()), expected);
        }
    }
}
