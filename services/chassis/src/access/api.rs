//! The service that makes tokens. It keeps no list of them: what a token allows stands in it, and it ends by itself.

use std::sync::Arc;

use chrono::TimeDelta;
use proto::access::v1::{
    ClaimAdministratorRequest, GetPrincipalRequest, IssueTokenRequest, Principal as Person, Role, Token,
    access_service_server::AccessService,
};
use tonic::{Request, Response, Status};

use super::{
    FirstAdministrator, Tokens,
    tokens::{bare, gate},
};
use crate::{Call, Clock, Failure, Fields, Kind, Principal, Refusal, Scope};

/// A shift of twelve hours.
const LIFETIME: i32 = 43_200;

/// Cheap to clone.
#[derive(Clone)]
pub struct AccessApi {
    tokens: Tokens,
    first: Arc<FirstAdministrator>,
    clock: Clock,
}

impl AccessApi {
    pub fn new(tokens: Tokens, first: FirstAdministrator, clock: Clock) -> Self {
        Self { tokens, first: Arc::new(first), clock }
    }

    /// Spends the code for the first administrator's token.
    pub(super) fn claim(&self, code: &str) -> Result<Token, Failure> {
        if !self.first.spend(code)? {
            return Err(Failure::Refused(code_spent()));
        }
        let mut administrator = Person { subject: "staff/administrator".to_owned(), ..Person::default() };
        administrator.set_role(Role::Administrator);
        administrator.unit = unit(&administrator);
        self.issue(&administrator, LIFETIME)
    }

    /// Tokens go by the server's clock, also where a demonstration sets the time of its requests.
    fn issue(&self, person: &Person, seconds: i32) -> Result<Token, Failure> {
        let lifetime = TimeDelta::seconds(seconds.into());
        self.tokens.issue(person, lifetime, self.clock.now()).map_err(Failure::Fault)
    }
}

#[tonic::async_trait]
impl AccessService for AccessApi {
    async fn claim_administrator(
        &self,
        request: Request<ClaimAdministratorRequest>,
    ) -> Result<Response<Token>, Status> {
        Ok(Response::new(self.claim(&request.get_ref().code)?))
    }

    async fn issue_token(&self, request: Request<IssueTokenRequest>) -> Result<Response<Token>, Status> {
        let asked = request.get_ref();
        Call::command(&request, &asked.request_id)?;
        let mut person = asked.principal.clone().unwrap_or_default();
        check(&person, asked.lifetime_seconds)?;
        if let Some(missing) = missing_place(&person) {
            return Err(missing.into());
        }
        if person.unit.is_empty() {
            person.unit = unit(&person);
        }
        let seconds = if asked.lifetime_seconds == 0 { LIFETIME } else { asked.lifetime_seconds };
        Ok(Response::new(self.issue(&person, seconds)?))
    }

    async fn get_principal(&self, request: Request<GetPrincipalRequest>) -> Result<Response<Person>, Status> {
        Ok(Response::new(person(Call::query(&request)?.principal)))
    }
}

fn check(person: &Person, lifetime: i32) -> Result<(), Status> {
    let mut fields = Fields::new();
    let role = fields.one_of::<Role>("principal.role", person.role).unwrap_or_default();
    let kinds = kinds(role);
    fields.check(
        "principal.subject",
        role == Role::Unspecified || kinds.iter().any(|kind| bare(&person.subject, kind).is_some()),
        format!("应为 {} 加编号（字母、数字、- _ .），例如 {}/7", kinds.join("/ 或 "), kinds[0]),
        format!(
            "must be {}/<id> with letters, digits or - _ . in the id, for example {}/7",
            kinds.join(" or "),
            kinds[0]
        ),
    );
    let placed = place(role);
    if !person.neighbourhood.is_empty() {
        fields.check(
            "principal.neighbourhood",
            placed.neighbourhood && bare(&person.neighbourhood, "neighbourhoods").is_some(),
            "应为 neighbourhoods/编号；面向整个街道的岗位请留空",
            "must be neighbourhoods/<id>; leave it empty for a role that acts for the whole subdistrict",
        );
    }
    if !person.gate.is_empty() {
        fields.check(
            "principal.gate",
            placed.gate && gate(&person.gate).is_some(),
            "应为 compounds/小区编号/gates/门岗编号；除门岗值守人员外请留空",
            "must be compounds/<compound>/gates/<gate>; leave it empty for every role but the guard's",
        );
    }
    let legible = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    fields.check(
        "principal.unit",
        person.unit.len() <= 64 && person.unit.chars().all(legible),
        "最多 64 位字母、数字、- _ . ；留空则自动填写",
        "must be at most 64 letters, digits or - _ . ; leave it empty to have it filled in",
    );
    fields.check(
        "lifetime_seconds",
        lifetime == 0 || (60..=86_400).contains(&lifetime),
        "应在 60 到 86400 秒之间；填 0 表示 12 小时",
        "must be 60 to 86400; 0 means twelve hours",
    );
    fields.done()
}

/// What may stand before the id of a role's subject.
fn kinds(role: Role) -> &'static [&'static str] {
    match role {
        Role::Resident => &["resident"],
        Role::Guard => &["staff", "device"],
        Role::Service => &["service"],
        Role::Unspecified
        | Role::Worker
        | Role::Director
        | Role::Officer
        | Role::Health
        | Role::Auditor
        | Role::Administrator => &["staff"],
    }
}

/// Which places a role has.
struct Place {
    neighbourhood: bool,
    gate: bool,
}

fn place(role: Role) -> Place {
    Place {
        neighbourhood: matches!(role, Role::Resident | Role::Guard | Role::Worker | Role::Director),
        gate: role == Role::Guard,
    }
}

fn missing_place(person: &Person) -> Option<Refusal> {
    let needed = place(person.role());
    if needed.neighbourhood && person.neighbourhood.is_empty() {
        return Some(Refusal::new(
            Kind::Invalid,
            "ROLE_NEEDS_PLACE",
            "这个岗位必须属于一个社区：请填写 principal.neighbourhood，例如 neighbourhoods/n1",
            "this role belongs to a neighbourhood: set principal.neighbourhood, for example neighbourhoods/n1",
        ));
    }
    if needed.gate && person.gate.is_empty() {
        return Some(Refusal::new(
            Kind::Invalid,
            "ROLE_NEEDS_PLACE",
            "门岗值守人员必须有一个门岗：请填写 principal.gate，例如 compounds/c1/gates/g1",
            "a guard stands at a gate: set principal.gate, for example compounds/c1/gates/g1",
        ));
    }
    None
}

/// The unit of somebody for whom none was given: second signatures come from another one.
fn unit(person: &Person) -> String {
    match bare(&person.neighbourhood, "neighbourhoods") {
        Some(neighbourhood) => neighbourhood.to_owned(),
        None if person.role() == Role::Health => "health".to_owned(),
        None => "subdistrict".to_owned(),
    }
}

fn person(principal: Principal) -> Person {
    let mut person = Person { subject: principal.subject, unit: principal.unit, ..Person::default() };
    person.set_role(principal.role);
    match principal.scope {
        Scope::Neighbourhood(neighbourhood) | Scope::Own { neighbourhood, .. } => {
            person.neighbourhood = format!("neighbourhoods/{neighbourhood}");
        }
        Scope::Gate { neighbourhood, compound, gate } => {
            person.neighbourhood = format!("neighbourhoods/{neighbourhood}");
            person.gate = format!("compounds/{compound}/gates/{gate}");
        }
        Scope::Everywhere | Scope::Nobody => {}
    }
    person
}

/// The same for a wrong code as for a spent one.
fn code_spent() -> Refusal {
    Refusal::new(
        Kind::Denied,
        "CODE_SPENT",
        "一次性代码不正确或已被使用：请核对启动时显示的链接；若管理员令牌已全部失效，请在服务器上运行 mifeng token recover",
        "the one-time code is wrong or was used already: check the link shown at the start; if every administrator's token is lost, run `mifeng token recover` on the server",
    )
}

#[cfg(test)]
mod tests;
