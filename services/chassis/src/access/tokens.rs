//! A token is a JWT signed with Ed25519. It names a role and a place, and the services at which it counts: those that have
//! anything for its role. There is no list of tokens; they are short-lived instead.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use proto::{
    access::v1::{Principal as Person, Role, Token},
    rpcs::{Rpc, TABLE},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::signing;
use crate::{
    Kind, Principal, Refusal, Scope,
    secrets::{Secrets, hex, random},
};

const ISSUER: &str = "mifeng";

/// How far two machines' clocks may be apart.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Makes and reads tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Keys>);

struct Keys {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
    /// What tokens say whose signature was found right, by the tokens' digests: a signature costs more than all the rest of
    /// a call. Time, audience and place are judged on every call.
    signed: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

/// Tokens that are remembered: more than a subdistrict has people at work.
const REMEMBERED: usize = 4_096;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    role: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    neighbourhood: String,
    #[serde(default)]
    gate: String,
    aud: Vec<String>,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    #[error("the token is no token of this system")]
    Garbled,
    #[error("the token was signed with another key")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token was issued in the future")]
    NotYet,
    #[error("the token is not for this service")]
    Audience,
    #[error("the token's role has no place")]
    Place,
}

impl Tokens {
    pub fn new(secrets: &Secrets) -> Self {
        let (sign, verify) = signing::keys(secrets.token_seed().expose_secret());
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Time and audience are judged in `verify`, by the clock that is passed in.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self(Arc::new(Keys { sign, verify, validation, signed: Mutex::default() }))
    }

    /// A token for somebody, whose place was checked before.
    pub fn issue(&self, person: &Person, lifetime: TimeDelta, now: DateTime<Utc>) -> anyhow::Result<Token> {
        let expiry = now + lifetime;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: person.subject.clone(),
            role: person.role().as_str_name().to_owned(),
            unit: person.unit.clone(),
            neighbourhood: person.neighbourhood.clone(),
            gate: person.gate.clone(),
            aud: audience(person.role()),
            iat: now.timestamp(),
            exp: expiry.timestamp(),
            jti: hex(&random::<16>()?),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.0.sign)?;
        let expire_time = DateTime::from_timestamp(claims.exp, 0).map(crate::timestamp);
        Ok(Token { token, principal: Some(person.clone()), expire_time })
    }

    /// Whom a token proves, at this service and time.
    pub fn verify(&self, token: &str, service: &str, now: DateTime<Utc>) -> Result<Principal, TokenProblem> {
        let claims = self.signed(token)?;
        if claims.iss != ISSUER {
            return Err(TokenProblem::Garbled);
        }
        if claims.exp <= now.timestamp() {
            return Err(TokenProblem::Expired);
        }
        if claims.iat > (now + SKEW).timestamp() {
            return Err(TokenProblem::NotYet);
        }
        if !claims.aud.iter().any(|audience| audience == service) {
            return Err(TokenProblem::Audience);
        }
        principal(&claims)
    }

    /// What a token says, if this installation has signed it.
    fn signed(&self, token: &str) -> Result<Arc<Claims>, TokenProblem> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = self.0.signed.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(claims) = known {
            return Ok(claims);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.0.verify, &self.0.validation);
        let claims = decoded.map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenProblem::Signature,
            _ => TokenProblem::Garbled,
        })?;
        let claims = Arc::new(claims.claims);
        let mut signed = self.0.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.len() >= REMEMBERED {
            signed.clear();
        }
        signed.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(redacted)")
    }
}

impl TokenProblem {
    /// What is wrong and what to do.
    pub(super) fn refusal(self) -> Refusal {
        let (reason, zh, en) = match self {
            Self::Garbled => (
                "TOKEN_INVALID",
                "令牌无法识别：请检查是否完整复制（authorization: Bearer 令牌），或请管理员重新签发",
                "the token cannot be read: check that it was copied whole (authorization: Bearer <token>), or ask an administrator for a new one",
            ),
            Self::Signature => (
                "TOKEN_INVALID",
                "令牌的签名不属于本系统：令牌可能来自另一套安装或被改动过，请向本系统的管理员重新申领",
                "the token was not signed by this installation: it may come from another one or was altered; ask this installation's administrator for a new one",
            ),
            Self::Expired => (
                "TOKEN_EXPIRED",
                "令牌已过期：请重新登录，或请管理员签发新令牌",
                "the token has expired: sign in again or ask an administrator for a new one",
            ),
            Self::NotYet => (
                "TOKEN_INVALID",
                "令牌的签发时间在将来：请校准两端机器的时钟后重试",
                "the token was issued in the future: set the clocks of both machines right and try again",
            ),
            Self::Audience => (
                "TOKEN_INVALID",
                "令牌不适用于这项服务：请换用适合您岗位的令牌，或请管理员重新签发",
                "the token is not for this service: use the token of a role that works here, or ask an administrator for one",
            ),
            Self::Place => (
                "TOKEN_INVALID",
                "令牌缺少岗位所在的社区、门岗或本人：请管理员重新签发",
                "the token lacks the neighbourhood, gate or person that its role needs: ask an administrator for a new one",
            ),
        };
        Refusal::new(Kind::Unauthenticated, reason, zh, en)
    }
}

/// "/registry.v1.RegistryService/GetHousehold" belongs to "registry".
pub(super) fn service_of(path: &str) -> &str {
    path.trim_start_matches('/').split('.').next().unwrap_or_default()
}

fn audience(role: Role) -> Vec<String> {
    let serves = |rpc: &&Rpc| rpc.roles.contains(&role);
    let services: BTreeSet<&str> = TABLE.iter().filter(serves).map(|rpc| service_of(rpc.path)).collect();
    services.into_iter().map(str::to_owned).collect()
}

fn principal(claims: &Claims) -> Result<Principal, TokenProblem> {
    let role = Role::from_str_name(&claims.role).ok_or(TokenProblem::Garbled)?;
    let scope = scope(role, claims).ok_or(TokenProblem::Place)?;
    Ok(Principal { subject: claims.sub.clone(), role, unit: claims.unit.clone(), scope })
}

/// Those who act for the whole subdistrict reach everything that the table of RPCs lets their role ask for: administrators
/// and auditors have no row that shows a person.
fn scope(role: Role, claims: &Claims) -> Option<Scope> {
    let neighbourhood = || bare(&claims.neighbourhood, "neighbourhoods").map(str::to_owned);
    match role {
        Role::Officer | Role::Health | Role::Auditor | Role::Administrator | Role::Service => Some(Scope::Everywhere),
        Role::Worker | Role::Director => Some(Scope::Neighbourhood(neighbourhood()?)),
        Role::Guard => {
            let (compound, gate) = gate(&claims.gate)?;
            Some(Scope::Gate { neighbourhood: neighbourhood()?, compound: compound.to_owned(), gate: gate.to_owned() })
        }
        Role::Resident => {
            Some(Scope::Own { neighbourhood: neighbourhood()?, resident: bare(&claims.sub, "resident")?.to_owned() })
        }
        Role::Unspecified => None,
    }
}

/// The id in "<collection>/<id>".
pub(super) fn bare<'a>(name: &'a str, collection: &str) -> Option<&'a str> {
    legible(name.strip_prefix(collection)?.strip_prefix('/')?)
}

/// The ids in "compounds/<compound>/gates/<gate>".
pub(super) fn gate(name: &str) -> Option<(&str, &str)> {
    let (compound, gate) = name.split_once("/gates/")?;
    Some((bare(compound, "compounds")?, legible(gate)?))
}

fn legible(id: &str) -> Option<&str> {
    let legible = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ((1..=64).contains(&id.len()) && id.chars().all(legible)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2020-02-11T00:00:00Z".parse().unwrap()
    }

    fn tokens() -> Tokens {
        Tokens::new(&Secrets::open_or_create(tempfile::tempdir().unwrap().path()).unwrap())
    }

    fn person(role: Role) -> Person {
        let mut person = Person { subject: "staff/7".into(), unit: "n1".into(), ..Person::default() };
        person.set_role(role);
        person.neighbourhood = "neighbourhoods/n1".into();
        person.gate = "compounds/c1/gates/north".into();
        if role == Role::Resident {
            person.subject = "resident/r1".into();
        }
        person
    }

    fn verified(role: Role, service: &str) -> Principal {
        let tokens = tokens();
        let token = tokens.issue(&person(role), TimeDelta::hours(12), now()).unwrap();
        tokens.verify(&token.token, service, now()).unwrap()
    }

    #[test]
    fn a_token_proves_the_role_and_the_place_it_was_issued_for() {
        let worker = verified(Role::Worker, "registry");
        assert_eq!(worker.subject, "staff/7");
        assert_eq!(worker.unit, "n1");
        assert_eq!(worker.scope, Scope::Neighbourhood("n1".into()));
        assert_eq!(
            verified(Role::Guard, "pass").scope,
            Scope::Gate { neighbourhood: "n1".into(), compound: "c1".into(), gate: "north".into() }
        );
        assert_eq!(
            verified(Role::Resident, "access").scope,
            Scope::Own { neighbourhood: "n1".into(), resident: "r1".into() }
        );
        for (role, service) in [
            (Role::Officer, "command"),
            (Role::Health, "isolation"),
            (Role::Auditor, "event"),
            (Role::Administrator, "access"),
            (Role::Service, "event"),
        ] {
            assert_eq!(verified(role, service).scope, Scope::Everywhere);
        }
    }

    #[test]
    fn a_token_expires_and_none_counts_before_it_was_issued() {
        let tokens = tokens();
        let token = tokens.issue(&person(Role::Worker), TimeDelta::hours(1), now()).unwrap();
        assert_eq!(token.expire_time, Some(crate::timestamp(now() + TimeDelta::hours(1))));
        let at = |time| tokens.verify(&token.token, "registry", time).map(|_| ());
        assert_eq!(at(now() + TimeDelta::minutes(59)), Ok(()));
        assert_eq!(at(now() + TimeDelta::hours(1)), Err(TokenProblem::Expired));
        assert_eq!(at(now() - TimeDelta::seconds(30)), Ok(()));
        assert_eq!(at(now() - TimeDelta::minutes(5)), Err(TokenProblem::NotYet));
    }

    #[test]
    fn a_token_of_another_installation_or_an_edited_one_is_refused() {
        let (ours, theirs) = (tokens(), tokens());
        let token = theirs.issue(&person(Role::Worker), TimeDelta::hours(1), now()).unwrap().token;
        assert_eq!(ours.verify(&token, "registry", now()), Err(TokenProblem::Signature));
        let worker = ours.issue(&person(Role::Worker), TimeDelta::hours(1), now()).unwrap().token;
        let director = ours.issue(&person(Role::Director), TimeDelta::hours(1), now()).unwrap().token;
        let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (worker, director) = (parts(&worker), parts(&director));
        let forged = [&*worker[0], &*director[1], &*worker[2]].join(".");
        assert_eq!(ours.verify(&forged, "registry", now()), Err(TokenProblem::Signature));
        for garbled in ["", "a.b", "a.b.c", &worker[1], &format!("{}.{}.", worker[0], worker[1])] {
            assert!(ours.verify(garbled, "registry", now()).is_err(), "{garbled}");
        }
    }

    #[test]
    fn a_token_without_a_signature_is_refused_whatever_its_header_says() {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let tokens = tokens();
        let token = tokens.issue(&person(Role::Worker), TimeDelta::hours(1), now()).unwrap().token;
        let claims = token.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256","typ":"JWT"}"#] {
            let forged = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(tokens.verify(&forged, "registry", now()), Err(TokenProblem::Garbled));
        }
    }

    #[test]
    fn a_token_counts_only_where_its_role_has_something_to_do() {
        let tokens = tokens();
        let token = tokens.issue(&person(Role::Guard), TimeDelta::hours(1), now()).unwrap().token;
        assert!(tokens.verify(&token, "pass", now()).is_ok());
        assert_eq!(tokens.verify(&token, "command", now()), Err(TokenProblem::Audience));
        assert_eq!(tokens.verify(&token, "event", now()), Err(TokenProblem::Audience));
    }

    #[test]
    fn a_role_without_its_place_is_nobody() {
        let tokens = tokens();
        for role in [Role::Worker, Role::Director, Role::Guard, Role::Resident] {
            let homeless = Person { neighbourhood: String::new(), ..person(role) };
            let token = tokens.issue(&homeless, TimeDelta::hours(1), now()).unwrap().token;
            assert_eq!(tokens.verify(&token, "access", now()), Err(TokenProblem::Place), "{role:?}");
        }
    }

    #[test]
    fn every_problem_says_what_to_do_in_both_languages() {
        use TokenProblem::{Audience, Expired, Garbled, NotYet, Place, Signature};
        let sentences: BTreeSet<String> = [Garbled, Signature, Expired, NotYet, Audience, Place]
            .into_iter()
            .flat_map(|problem| [problem.refusal().zh, problem.refusal().en])
            .collect();
        assert_eq!(sentences.len(), 12);
        assert_eq!(Expired.refusal().reason, "TOKEN_EXPIRED");
    }

    #[test]
    fn names_of_gates_are_taken_apart() {
        assert_eq!(gate("compounds/c1/gates/north"), Some(("c1", "north")));
        for wrong in ["", "gates/north", "compounds//gates/x", "compounds/c1/gates/", "compounds/c/1/gates/x/y"] {
            assert_eq!(gate(wrong), None, "{wrong}");
        }
    }
}
