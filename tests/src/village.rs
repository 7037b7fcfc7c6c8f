//! A neighbourhood with one compound and one gate, as small as a test can do with.

use chassis::client::{Connection, new_request_id};
use proto::{
    access::v1::Role,
    registry::v1::{
        AddGateRequest, Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateNeighbourhoodRequest,
        CreateResidentRequest, Household, IdentityDocument, Neighbourhood, Person, Resident, Tenure, identity_document,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        ApproveMethodRequest, Case, Declaration, DeclareRequest, DeclaredStay, DraftMethodRequest, Itinerary,
        ListCasesRequest, PublishMethodRequest, RecordItineraryRequest, Source, Visit,
        screening_service_client::ScreeningServiceClient,
    },
};

use crate::{House, time};

pub struct Village {
    /// neighbourhoods/{id}
    pub neighbourhood: String,
    /// compounds/{id}
    pub compound: String,
    /// compounds/{id}/gates/{id}
    pub gate: String,
}

impl Village {
    pub async fn found(house: &House, code: &str) -> Self {
        let officer = house.central("staff/officer", Role::Officer, "subdistrict");
        let mut registry = RegistryServiceClient::new(officer);
        let neighbourhood = registry
            .create_neighbourhood(CreateNeighbourhoodRequest {
                request_id: new_request_id(),
                neighbourhood: Some(Neighbourhood {
                    display_name: format!("社区{code}"),
                    code: code.into(),
                    ..Neighbourhood::default()
                }),
            })
            .await
            .expect("a neighbourhood opens")
            .into_inner()
            .name;
        let mut director = RegistryServiceClient::new(house.local("staff/director", Role::Director, &neighbourhood));
        let compound = director
            .create_compound(CreateCompoundRequest {
                request_id: new_request_id(),
                compound: Some(Compound {
                    display_name: "长丰二村".into(),
                    neighbourhood: neighbourhood.clone(),
                    ..Compound::default()
                }),
            })
            .await
            .expect("a compound opens")
            .into_inner()
            .name;
        let gate = director
            .add_gate(AddGateRequest {
                request_id: new_request_id(),
                compound: compound.clone(),
                display_name: "东门".into(),
                etag: String::new(),
            })
            .await
            .expect("a gate is added")
            .into_inner()
            .gates
            .remove(0)
            .name;
        Self { neighbourhood, compound, gate }
    }

    pub fn worker(&self, house: &House) -> Connection {
        house.local("staff/worker", Role::Worker, &self.neighbourhood)
    }

    /// An owner's household.
    pub async fn household(&self, house: &House, building: &str) -> String {
        RegistryServiceClient::new(self.worker(house))
            .create_household(CreateHouseholdRequest {
                request_id: new_request_id(),
                household: Some(Household {
                    compound: self.compound.clone(),
                    building: building.into(),
                    unit: "1".into(),
                    room: "101".into(),
                    tenure: Tenure::Owned.into(),
                    ..Household::default()
                }),
                landlord: None,
            })
            .await
            .expect("a household is registered")
            .into_inner()
            .name
    }

    /// One person, with one number and no papers, in a household of their own.
    pub async fn resident(&self, house: &House, building: &str, name: &str, phone: &str) -> Resident {
        let household = self.household(house, building).await;
        let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
        RegistryServiceClient::new(self.worker(house))
            .create_resident(CreateResidentRequest {
                request_id: new_request_id(),
                household,
                person: Some(Person { full_name: name.into(), phones: vec![phone.into()], document: Some(document) }),
            })
            .await
            .expect("a resident is registered")
            .into_inner()
    }

    /// The shipped sample, by two units.
    pub async fn publish_method(&self, house: &House) {
        let at = time("2020-02-09T07:00:00+08:00");
        let officer = house.central("staff/officer", Role::Officer, "subdistrict").at(at);
        let mut officer = ScreeningServiceClient::new(officer);
        let name = "methods/2020-02-09".to_owned();
        let draft = DraftMethodRequest { request_id: new_request_id(), version: "2020-02-09".into(), content: None };
        officer.draft_method(draft).await.expect("a method is drafted");
        let health = house.central("staff/health", Role::Health, "health").at(at);
        let approve = ApproveMethodRequest { request_id: new_request_id(), name: name.clone() };
        ScreeningServiceClient::new(health).approve_method(approve).await.expect("a method is approved");
        let publish = PublishMethodRequest { request_id: new_request_id(), name, ..Default::default() };
        officer.publish_method(publish).await.expect("a method is published");
    }

    /// The case that opened when the resident was registered.
    pub async fn case_of(&self, house: &House, resident: &Resident) -> String {
        let request = ListCasesRequest { parent: resident.name.clone(), ..ListCasesRequest::default() };
        let mut cases = ScreeningServiceClient::new(self.worker(house))
            .list_cases(request)
            .await
            .expect("cases are listed")
            .into_inner()
            .cases;
        assert_eq!(cases.len(), 1, "one case for one resident");
        cases.remove(0).name
    }

    /// Declares nothing and is seen at these places: (name, first day, last day).
    pub async fn screened(&self, house: &House, resident: &Resident, seen: Stays<'_>) -> Case {
        let case = self.case_of(house, resident).await;
        let worker = self.worker(house).at(time("2020-02-11T14:00:00+08:00"));
        compared(worker, case, &[], seen).await
    }
}

/// Places, each with its first and its last day.
pub type Stays<'a> = &'a [(&'a str, &'a str, &'a str)];

/// What a case says once this was declared and that was seen.
pub async fn compared(worker: Connection, case: String, said: Stays<'_>, seen: Stays<'_>) -> Case {
    let mut screening = ScreeningServiceClient::new(worker);
    let stays = said.iter().map(|(place, from, to)| DeclaredStay {
        place: (*place).into(),
        from: (*from).into(),
        to: (*to).into(),
    });
    let declaration =
        Declaration { people: 1, health: "良好".into(), stays: stays.collect(), ..Declaration::default() };
    let declare = DeclareRequest { request_id: new_request_id(), case: case.clone(), declaration: Some(declaration) };
    screening.declare(declare).await.expect("a declaration is taken");
    let visits = seen.iter().map(|(place, first, last)| Visit {
        place: (*place).into(),
        first: (*first).into(),
        last: (*last).into(),
        hours: None,
    });
    let scan = RecordItineraryRequest {
        request_id: new_request_id(),
        case,
        source: Source::Mobile.into(),
        phone: 1,
        window_from: "2020-01-01".into(),
        window_to: "2020-02-10".into(),
        itinerary: Some(Itinerary { visits: visits.collect() }),
    };
    screening.record_itinerary(scan).await.expect("an itinerary is taken").into_inner()
}
