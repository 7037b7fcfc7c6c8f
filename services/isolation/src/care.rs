//! The RPCs of care: what people need and what there is to give them. Fields are read here, places are checked here, and the
//! rest is the domain's.

/// Asked, taken, done, confirmed; in alarm.
mod needs;
/// Whom to ask for help.
mod matching;
/// What an order opens, and the hours of all clocks.
mod plans;
/// Opened and ended with an order.
pub(crate) mod standing;
/// Given, issued, short, thanked for.
mod supplies;

use chassis::{Call, Failure, Fields, Ledger, Refuse as _, Scope, Vault, Views, page};
use proto::{isolation::v1::Quantity, registry::v1::Residence};
use tonic::Status;

use crate::domain::{
    need::{Need, Refused},
    quantity::Amount,
};

/// What every handler stands on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Care {
    pub(crate) ledger: Ledger,
    pub(crate) vault: Vault,
    pub(crate) views: Views,
}

/// Whose need it is and where they live; foreign and missing ones answer alike, and a resident sees their own alone.
fn within_reach<'a>(need: &'a Need, scope: &Scope) -> Result<(&'a str, &'a Residence), Refused> {
    let opened = need.opened.as_ref().ok_or(Refused::NotFound)?;
    let residence = opened.residence.as_ref().ok_or(Refused::NotFound)?;
    let own = match scope {
        Scope::Own { resident, .. } => *resident == opened.resident_id,
        Scope::Gate { .. } | Scope::Nobody => false,
        Scope::Everywhere | Scope::Neighbourhood(_) => scope.allows(&residence.neighbourhood_id),
    };
    if own { Ok((&opened.resident_id, residence)) } else { Err(Refused::NotFound) }
}

fn not_found() -> Status {
    Refused::NotFound.refusal().into()
}

fn fault(error: anyhow::Error) -> Status {
    Failure::from(error).into()
}

/// A quantity from a request.
fn amount(fields: &mut Fields, field: &str, given: Option<&Quantity>) -> Option<Amount> {
    let read = given.and_then(Amount::read);
    fields.check(
        field,
        read.is_some(),
        "需要一个大于零的数量和单位，例如 2000 斤；重量精确到克，容量精确到毫升，瓶、箱、袋、件须为整数",
        "must be a number greater than zero with a unit, such as 2000 jin; exact to the gram or millilitre, and whole for what is counted",
    );
    read
}

/// An item from a request, as it is kept: one thing has one name.
fn item(fields: &mut Fields, field: &str, given: &str) -> String {
    let item: String = fields.required(field, given, LONGEST_ITEM).split_whitespace().collect::<Vec<_>>().join(" ");
    fields.check(field, !item.chars().any(char::is_control), "含有不能使用的字符", "holds characters that no name has");
    item
}

/// Characters.
const LONGEST_ITEM: usize = 30;

/// Where one page of a list begins and how long it is.
struct Asked {
    size: i64,
    after: String,
}

impl Asked {
    fn new(page_size: i32, page_token: &str) -> Result<Self, Status> {
        Ok(Self { size: page::size(page_size), after: page::after(page_token)? })
    }

    /// For lists whose keys are positions, the last first.
    fn before(&self) -> i64 {
        if self.after.is_empty() { i64::MAX } else { self.after.parse().unwrap_or(0) }
    }

    /// Of one row more than the page has: the page, and the token of the next.
    fn page<K: ToString, T>(&self, mut rows: Vec<(K, T)>) -> (Vec<T>, String) {
        let most = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| more).map(|(key, _)| page::token_after(&key.to_string()));
        (rows.into_iter().map(|(_, row)| row).collect(), next.unwrap_or_default())
    }
}

/// Who acts: as the record names them.
fn subject(call: &Call) -> String {
    match &call.principal.scope {
        Scope::Own { resident, .. } => format!("residents/{resident}"),
        _ => call.principal.subject.clone(),
    }
}
