//! The service as its callers meet it: real log, real vault, real views, in a folder of its own.

/// What is known of one resident, put right.
mod corrections;
/// By name, number and room.
mod finding;
/// Workbooks.
mod imports;
/// Workbooks of places.
mod places;
/// Residents, compounds, lists.
mod people;
/// From door to door.
mod visits;
/// Residents who help.
mod volunteers;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use chassis::{
    Clock, Host, Principal, Scope,
    call::{Fingerprinter, POSITION, RequestTime, parse_positions},
    secrets::Secrets,
};
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use proto::{
    access::v1::Role,
    registry::v1::{
        Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateNeighbourhoodRequest, CreateResidentRequest,
        FindResidentsRequest, Household, IdentityDocument, ImportHouseholdsRequest, ImportOutcome,
        ListResidentsRequest, Neighbourhood, Person, Resident, Tenure, find_residents_request,
        registry_service_server::RegistryService as _,
    },
};
use rust_xlsxwriter::Workbook;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    api::Api,
    workbook::headings::{HEADINGS, OWNED, RENTED},
};

/// A service, and who calls it.
struct Desk {
    api: Api,
    host: Host,
    folder: TempDir,
    scope: Scope,
    now: DateTime<Utc>,
    after: AtomicU64,
}

impl Desk {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let now = "2020-02-11T01:00:00Z".parse().unwrap();
        let secrets = Secrets::open_or_create(folder.path()).unwrap();
        let host =
            Host::open(folder.path(), secrets, Clock::starting_at(now), BTreeMap::new(), CancellationToken::new())
                .unwrap();
        let api = crate::open(&host).await.unwrap();
        Self { api, host, folder, scope: Scope::Everywhere, now, after: 0.into() }
    }

    fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let principal =
            Principal { subject: "staff/lu".into(), role: Role::Worker, unit: "n".into(), scope: self.scope.clone() };
        let after = self.after.load(Ordering::SeqCst);
        request.metadata_mut().insert("mf-min-position", format!("registry={after}").parse().unwrap());
        request.extensions_mut().insert(principal);
        request.extensions_mut().insert(RequestTime(self.now));
        request.extensions_mut().insert(Fingerprinter::new([1; 32]));
        request
    }

    fn done<T>(&self, response: Result<Response<T>, Status>) -> T {
        let response = response.unwrap();
        if let Some(position) = response.metadata().get(POSITION) {
            let position = parse_positions(position.to_str().unwrap()).unwrap()["registry"];
            self.after.fetch_max(position, Ordering::SeqCst);
        }
        response.into_inner()
    }

    async fn neighbourhood(&self, code: &str) -> Neighbourhood {
        let neighbourhood =
            Neighbourhood { display_name: "金家漕社区".into(), code: code.into(), ..Neighbourhood::default() };
        let request =
            CreateNeighbourhoodRequest { request_id: format!("open-{code}"), neighbourhood: Some(neighbourhood) };
        self.done(self.api.create_neighbourhood(self.ask(request)).await)
    }

    async fn compound(&self, neighbourhood: &Neighbourhood, display_name: &str) -> Compound {
        let compound = Compound {
            display_name: display_name.into(),
            neighbourhood: neighbourhood.name.clone(),
            management_group: "金家漕".into(),
            ..Compound::default()
        };
        let sign = u32::from_be_bytes(*display_name.as_bytes().first_chunk().unwrap());
        let request = CreateCompoundRequest {
            request_id: format!("open-{sign}-{}", neighbourhood.code),
            compound: Some(compound),
        };
        self.done(self.api.create_compound(self.ask(request)).await)
    }

    async fn household(&self, compound: &Compound, room: &str) -> Household {
        let household = Household {
            compound: compound.name.clone(),
            building: "3幢".into(),
            room: room.into(),
            tenure: Tenure::Owned.into(),
            ..Household::default()
        };
        let request = CreateHouseholdRequest {
            request_id: format!("room-0000-{room}"),
            household: Some(household),
            landlord: None,
        };
        self.done(self.api.create_household(self.ask(request)).await)
    }

    async fn resident(&self, id: &str, household: &Household, name: &str, number: &str) -> Result<Resident, Status> {
        let document = IdentityDocument { kind: 0, number: number.into() };
        let document = if number.is_empty() { IdentityDocument { kind: 4, ..document } } else { document };
        let person = Person { full_name: name.into(), phones: vec!["138 0000 1234".into()], document: Some(document) };
        let request =
            CreateResidentRequest { request_id: id.into(), household: household.name.clone(), person: Some(person) };
        let response = self.api.create_resident(self.ask(request)).await?;
        Ok(self.done(Ok(response)))
    }

    /// With the good rows where others are refused.
    async fn import(&self, id: &str, parent: &Neighbourhood, workbook: Vec<u8>, validate_only: bool) -> ImportOutcome {
        self.imported(id, parent, workbook, validate_only, true).await
    }

    /// All or nothing.
    async fn whole(&self, id: &str, parent: &Neighbourhood, workbook: Vec<u8>, validate_only: bool) -> ImportOutcome {
        self.imported(id, parent, workbook, validate_only, false).await
    }

    async fn imported(
        &self,
        id: &str,
        parent: &Neighbourhood,
        workbook: Vec<u8>,
        validate_only: bool,
        partial: bool,
    ) -> ImportOutcome {
        let request = ImportHouseholdsRequest {
            request_id: id.into(),
            parent: parent.name.clone(),
            workbook,
            validate_only,
            partial,
        };
        let stream = self.api.import_households(self.ask(request)).await.unwrap().into_inner();
        let answers: Vec<_> = stream.collect().await;
        let outcome = answers.last().unwrap().as_ref().unwrap().outcome.clone().unwrap();
        assert_eq!(outcome.rows, outcome.taken + outcome.refused);
        assert_eq!(outcome.taken, outcome.rows_new + outcome.rows_changed + outcome.rows_same);
        assert_eq!(usize::try_from(outcome.refused - outcome.rows_held).unwrap(), outcome.refused_rows.len());
        outcome
    }

    async fn residents(&self, parent: &str) -> Vec<Resident> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListResidentsRequest { parent: parent.into(), page_size: 1000, page_token };
            let page = self.done(self.api.list_residents(self.ask(request)).await);
            all.extend(page.residents);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    async fn find(&self, key: find_residents_request::Key) -> Vec<Resident> {
        let request = FindResidentsRequest { key: Some(key), ..FindResidentsRequest::default() };
        self.done(self.api.find_residents(self.ask(request)).await).residents
    }
}

const CARD: &str = "11010519491231002x";

fn workbook(rows: impl IntoIterator<Item = [String; 10]>) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    for (column, heading) in (0u16..).zip(HEADINGS) {
        page.write_string(0, column, heading).unwrap();
    }
    for (line, row) in (1u32..).zip(rows) {
        for (column, cell) in (0u16..).zip(row) {
            page.write_string(line, column, cell).unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

fn row(number: usize, room: &str, name: &str, document: &str) -> [String; 10] {
    let rented = number.is_multiple_of(2);
    let (tenure, landlord, phone) = if rented { (RENTED, "房东甲", "13911112222") } else { (OWNED, "", "") };
    ["长丰二村", "3", "1", room, tenure, landlord, phone, name, document, "13800001234"].map(str::to_owned)
}

/// Two to a room, without documents.
fn many(rows: usize) -> Vec<u8> {
    let name = |i: usize| ["张甲", "李乙"][i % 2];
    workbook((0..rows).map(|i| row(i / 2, &format!("{}", 100 + i / 2), name(i), "")))
}
