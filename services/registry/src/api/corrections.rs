//! What is known of one resident, put right: by a row of a workbook, or at a desk with a reason. What it was before stays sealed
//! in the log; the keys by which somebody is found, and is there only once, move along.

use std::sync::Arc;

use chassis::{Call, Decision, Done, Failure, Fields, Kind, Refusal, day_of};
use chrono::NaiveDate;
use proto::registry::v1::{
    CorrectResidentRequest, CorrectedField, ListCorrectionsRequest, ListCorrectionsResponse, Person, Residence,
    Resident, Return, correction_service_server::CorrectionService,
};
use tonic::{Request, Status};

use super::{
    Answer, Api, clash, fault, refused,
    residents::{answer, bare, opened},
    stale,
};
use crate::{
    domain::resident::{self, Amended},
    keys::{self, ResidentKeys},
    person,
    projections::{Asked, corrections},
    typing,
};

/// How often a correction is made again after somebody else was faster.
const ATTEMPTS: usize = 3;

/// The longest place, transport or number of a return, in characters.
const LONGEST: usize = 60;

#[tonic::async_trait]
impl CorrectionService for Api {
    async fn correct_resident(&self, request: Request<CorrectResidentRequest>) -> Answer<Resident> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let wanted = Wanted::read(request.into_inner(), day_of(call.now))?;
        if let Some(done) = self.ledger.done_before::<Resident>(&call).await? {
            self.resident(&call, &wanted.id).await?;
            return answer(self, done).await;
        }
        self.ledger.settle(&call.after).await;
        let mut attempt = 1;
        loop {
            match correct_at_desk(self, &call, &wanted).await {
                Err(Failure::Refused(refusal))
                    if refusal.kind == Kind::Stale && wanted.etag.is_empty() && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                done => return answer(self, done.map_err(clash)?).await,
            }
        }
    }

    async fn list_corrections(&self, request: Request<ListCorrectionsRequest>) -> Answer<ListCorrectionsResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let mut fields = Fields::new();
        let id = fields.name("parent", "residents", &request.get_ref().parent);
        let id = fields.read(id)?;
        self.resident(&call, &id).await?;
        let mut db = self.views.read(&call).await?;
        let page = corrections::list(&mut db, &call.principal.scope, &id, &asked).await.map_err(fault)?;
        Ok(ListCorrectionsResponse { corrections: page.rows, next_page_token: page.next }.into())
    }
}

/// What somebody at a desk wants to be known from now on; absent is what stays.
struct Wanted {
    id: String,
    reason: String,
    etag: String,
    full_name: Option<String>,
    phones: Option<Vec<String>>,
    document: Option<proto::registry::v1::IdentityDocument>,
    returned: Option<Return>,
}

impl Wanted {
    fn read(given: CorrectResidentRequest, today: NaiveDate) -> Result<Self, Status> {
        let mut fields = Fields::new();
        let id = fields.name("name", "residents", &given.name);
        let reason = fields.required("reason", &given.reason, 200).to_owned();
        fields.check(
            "reason",
            reason.is_empty() || reason.chars().count() >= 4,
            "至少写 4 个字，说明依据：会留下记录",
            "must say in at least four characters what it rests on: it stays on record",
        );
        let full_name = given.full_name.map(|typed| person::name(&mut fields, "full_name", &typed));
        let phones = given.phones.map(|phones| person::phones(&mut fields, "phones.numbers", &phones.numbers));
        let document = given.document.map(|document| person::document(&mut fields, "document", &document, today));
        let returned = given.returned.map(|returned| read_return(&mut fields, &returned, today));
        fields.check(
            "name",
            full_name.is_some() || phones.is_some() || document.is_some() || returned.is_some(),
            "没有写明要更正什么：请填写姓名、电话、证件或返甬情况中的至少一项",
            "nothing is to be put right: give the name, the phones, the document or the return",
        );
        let id = fields.read(id)?;
        Ok(Self { id, reason, etag: given.etag, full_name, phones, document, returned })
    }

    /// The person as they are known from now on.
    fn of(&self, known: &Person) -> Person {
        Person {
            full_name: self.full_name.clone().unwrap_or_else(|| known.full_name.clone()),
            phones: self.phones.clone().unwrap_or_else(|| known.phones.clone()),
            document: self.document.clone().or_else(|| known.document.clone()),
        }
    }
}

fn read_return(fields: &mut Fields, given: &Return, today: NaiveDate) -> Return {
    let (from, transport, number) =
        (typing::tidy(&given.from), typing::tidy(&given.transport), typing::tidy(&given.number));
    fields.required("returned.from", &from, LONGEST);
    fields.at_most("returned.transport", &transport, LONGEST);
    fields.at_most("returned.number", &number, LONGEST);
    let day = fields.date("returned.day", &given.day);
    fields.check(
        "returned.day",
        day.is_none_or(|day| day <= today),
        "日期在今天之后：请填写已经返回的日期",
        "lies in the future: give the day on which they came back",
    );
    Return { from, transport, number, day: given.day.clone() }
}

async fn correct_at_desk(api: &Api, call: &Call, wanted: &Wanted) -> Result<Done<Resident>, Failure> {
    let (resident, version) = api.ledger.load::<resident::Resident>(&wanted.id).await?;
    let seen = resident.residence().filter(|home| call.principal.scope.allows(&home.neighbourhood_id)).cloned();
    let residence = seen.ok_or_else(|| Failure::Refused(crate::domain::not_found("resident")))?;
    resident.is_present().map_err(|refusal| Failure::Refused(refused(refusal)))?;
    if !wanted.etag.is_empty() && wanted.etag != version.to_string() {
        return Err(Failure::Refused(stale()));
    }
    let known = opened(api, resident.person()).await?.unwrap_or_default();
    let was: Option<Return> = match resident.returned() {
        Some(sealed) => api.vault.reveal(sealed).await?,
        None => None,
    };
    let returned = wanted.returned.clone().or_else(|| was.clone());
    let change = Change {
        id: &wanted.id,
        residence: &residence,
        known: &known,
        person: wanted.of(&known),
        other_return: returned != was,
        returned,
        reason: &wanted.reason,
        version: Some(version),
    };
    change.make(api, call).await
}

/// A row of a workbook says something else of somebody whose name stays; how they came back is not its business.
pub(super) async fn correct(
    api: &Api,
    call: &Call,
    id: &str,
    residence: &Residence,
    person: &Person,
) -> Result<Done<Resident>, Failure> {
    let (resident, version): (Arc<resident::Resident>, u64) = api.ledger.load(id).await?;
    let known = opened(api, resident.person()).await?.unwrap_or_default();
    let returned = match resident.returned() {
        Some(sealed) => api.vault.reveal(sealed).await?,
        None => None,
    };
    let (person, other_return) = (person.clone(), false);
    let version = Some(version).filter(|_| !resident.was_corrected_by(&call.id("correction")));
    Change { id, residence, known: &known, person, returned, other_return, reason: "", version }.make(api, call).await
}

/// From what is known to what is to be known.
struct Change<'a> {
    id: &'a str,
    residence: &'a Residence,
    known: &'a Person,
    person: Person,
    returned: Option<Return>,
    other_return: bool,
    reason: &'a str,
    /// On which it was made; `None` where it was done before.
    version: Option<u64>,
}

impl Change<'_> {
    fn fields(&self) -> Vec<CorrectedField> {
        let (known, person) = (self.known, &self.person);
        let all = [
            (CorrectedField::Name, known.full_name != person.full_name),
            (CorrectedField::Phones, known.phones != person.phones),
            (CorrectedField::Document, known.document != person.document),
            (CorrectedField::Return, self.other_return),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
    }

    /// R5: by which others notice that a number is another one, without hearing which.
    fn former_places(&self) -> Vec<i32> {
        let (before, after) = (&self.known.phones, &self.person.phones);
        if before == after {
            return Vec::new();
        }
        let place = |number: &String| before.iter().position(|known| known == number).map_or(0, |at| at + 1);
        after.iter().map(|number| i32::try_from(place(number)).unwrap_or_default()).collect()
    }

    async fn make(self, api: &Api, call: &Call) -> Result<Done<Resident>, Failure> {
        let Residence { neighbourhood_id, household_id, .. } = self.residence;
        let keys = |person: &Person| ResidentKeys::of(&api.vault, neighbourhood_id, household_id, person);
        let (before, after) = (keys(self.known), keys(&self.person));
        let returned = match &self.returned {
            Some(returned) => Some(api.vault.seal(self.id, returned).await?),
            None => None,
        };
        let amended = Amended {
            person: api.vault.seal(self.id, &self.person).await?,
            phones: i32::try_from(self.person.phones.len()).unwrap_or(i32::MAX),
            fields: self.fields(),
            reason: self.reason.to_owned(),
            returned,
            former_places: self.former_places(),
        };
        let correction = call.id("correction");
        let decide = |resident: &resident::Resident, now: u64| {
            let events = resident.correct(&correction, &amended).map_err(refused)?;
            if !events.is_empty() && self.version.is_some_and(|version| version != now) {
                return Err(stale());
            }
            let changes = !events.is_empty();
            let decision = Decision::new(events).office(neighbourhood_id).subject(self.id);
            Ok::<_, Refusal>(if changes { moved(decision, &before, &after) } else { decision })
        };
        api.ledger.transact(call, self.id, decide, |after, version| bare(self.id, after, version)).await
    }
}

/// What somebody is found by, and is there only once by, is given back and taken anew.
fn moved(
    mut decision: Decision<resident::Event>,
    before: &ResidentKeys,
    after: &ResidentKeys,
) -> Decision<resident::Event> {
    if before.name != after.name {
        decision = decision.release(keys::RESIDENT_NAME, before.name).reserve(keys::RESIDENT_NAME, after.name);
    }
    if before.document != after.document {
        if let Some(document) = before.document {
            decision = decision.release(keys::RESIDENT_DOCUMENT, document);
        }
        if let Some(document) = after.document {
            decision = decision.reserve(keys::RESIDENT_DOCUMENT, document);
        }
    }
    decision
}
