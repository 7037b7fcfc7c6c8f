//! The RPCs. Role and rate were checked before a handler runs; the place is checked here, and what is missing and what is
//! another's are answered alike. Replies are kept with their commands, so masks are put on afterwards: nothing of a person
//! stays there.

/// Compounds, gates, regime.
mod compounds;
/// What is known of one resident, put right.
mod corrections;
/// The two full coverages.
mod coverage;
/// Two records of one person.
mod duplicates;
/// Residents by what somebody knows of them.
mod finding;
/// Grids and buildings.
mod grids;
/// Households and landlords.
mod households;
/// Workbooks of residents and of places, row by row.
mod import;
/// Residents who are to be watched.
mod key_persons;
/// Neighbourhoods.
mod neighbourhoods;
/// People found at a door whom nobody knew.
mod occupants;
/// Residents, masked and revealed.
mod residents;
/// Who holds which gate when.
mod rosters;
/// What is done again and again at one place.
mod rounds;
/// Staff.
mod staff;
/// From door to door.
mod visits;
/// Residents who help.
mod volunteers;

use std::{pin::Pin, sync::Arc};

use chassis::{
    Call, Decision, Done, Failure, Fields, Kind, Ledger, Refusal, Refuse, Vault, Views, ledger::Aggregate, reason,
};
use futures::Stream;
use proto::registry::v1::{
    self as contract, AddGateRequest, Compound, CreateCompoundRequest, CreateHouseholdRequest,
    CreateNeighbourhoodRequest, CreateResidentRequest, EnrolStaffRequest, EraseResidentRequest, FindResidentsRequest,
    GetCompoundRequest, GetHouseholdRequest, GetImportTemplateRequest, GetResidentRequest, Household,
    ImportHouseholdsRequest, ImportHouseholdsResponse, ImportPlacesRequest, ImportTemplate, ListCompoundsRequest,
    ListCompoundsResponse, ListHouseholdsRequest, ListHouseholdsResponse, ListNeighbourhoodsRequest,
    ListNeighbourhoodsResponse, ListResidentsRequest, ListResidentsResponse, ListRevealsRequest, ListRevealsResponse,
    ListStaffRequest, ListStaffResponse, MoveOutResidentRequest, Neighbourhood, Residence, Resident,
    RevealResidentRequest, RevealResidentResponse, SetRegimeRequest, Staff, import_service_server::ImportService,
    registry_service_server::RegistryService,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status};

use crate::{
    care::Care,
    domain::{compound, household, neighbourhood, not_found, resident},
    keys,
    names::Names,
    projections::Within,
};

/// What every handler stands on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) ledger: Ledger,
    pub(crate) vault: Vault,
    pub(crate) views: Views,
    pub(crate) names: Arc<Names>,
    pub(crate) care: Care,
    /// Imports end before the process does, also when their client has gone away.
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;
type Progress = Pin<Box<dyn Stream<Item = Result<ImportHouseholdsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl RegistryService for Api {
    async fn create_neighbourhood(&self, request: Request<CreateNeighbourhoodRequest>) -> Answer<Neighbourhood> {
        neighbourhoods::create(self, request).await
    }

    async fn list_neighbourhoods(
        &self,
        request: Request<ListNeighbourhoodsRequest>,
    ) -> Answer<ListNeighbourhoodsResponse> {
        neighbourhoods::list(self, request).await
    }

    async fn create_compound(&self, request: Request<CreateCompoundRequest>) -> Answer<Compound> {
        compounds::create(self, request).await
    }

    async fn get_compound(&self, request: Request<GetCompoundRequest>) -> Answer<Compound> {
        compounds::get(self, request).await
    }

    async fn list_compounds(&self, request: Request<ListCompoundsRequest>) -> Answer<ListCompoundsResponse> {
        compounds::list(self, request).await
    }

    async fn add_gate(&self, request: Request<AddGateRequest>) -> Answer<Compound> {
        compounds::add_gate(self, request).await
    }

    async fn set_regime(&self, request: Request<SetRegimeRequest>) -> Answer<Compound> {
        compounds::set_regime(self, request).await
    }

    async fn create_household(&self, request: Request<CreateHouseholdRequest>) -> Answer<Household> {
        households::create(self, request).await
    }

    async fn get_household(&self, request: Request<GetHouseholdRequest>) -> Answer<Household> {
        households::get(self, request).await
    }

    async fn list_households(&self, request: Request<ListHouseholdsRequest>) -> Answer<ListHouseholdsResponse> {
        households::list(self, request).await
    }

    async fn create_resident(&self, request: Request<CreateResidentRequest>) -> Answer<Resident> {
        residents::create(self, request).await
    }

    async fn get_resident(&self, request: Request<GetResidentRequest>) -> Answer<Resident> {
        residents::get(self, request).await
    }

    async fn list_residents(&self, request: Request<ListResidentsRequest>) -> Answer<ListResidentsResponse> {
        residents::list(self, request).await
    }

    async fn find_residents(&self, request: Request<FindResidentsRequest>) -> Answer<ListResidentsResponse> {
        finding::find(self, request).await
    }

    async fn reveal_resident(&self, request: Request<RevealResidentRequest>) -> Answer<RevealResidentResponse> {
        residents::reveal(self, request).await
    }

    async fn list_reveals(&self, request: Request<ListRevealsRequest>) -> Answer<ListRevealsResponse> {
        residents::list_reveals(self, request).await
    }

    async fn move_out_resident(&self, request: Request<MoveOutResidentRequest>) -> Answer<Resident> {
        residents::move_out(self, request).await
    }

    async fn erase_resident(&self, request: Request<EraseResidentRequest>) -> Answer<Resident> {
        residents::erase(self, request).await
    }

    async fn enrol_staff(&self, request: Request<EnrolStaffRequest>) -> Answer<Staff> {
        staff::enrol(self, request).await
    }

    async fn list_staff(&self, request: Request<ListStaffRequest>) -> Answer<ListStaffResponse> {
        staff::list(self, request).await
    }

    type ImportHouseholdsStream = Progress;

    async fn import_households(&self, request: Request<ImportHouseholdsRequest>) -> Answer<Progress> {
        import::start(self, request).await
    }
}

#[tonic::async_trait]
impl ImportService for Api {
    async fn get_import_template(&self, request: Request<GetImportTemplateRequest>) -> Answer<ImportTemplate> {
        import::template::get(request).await
    }

    type ImportPlacesStream = Progress;

    async fn import_places(&self, request: Request<ImportPlacesRequest>) -> Answer<Progress> {
        import::places::start(self, request).await
    }
}

impl Api {
    async fn neighbourhood(&self, call: &Call, id: &str) -> Result<Arc<neighbourhood::Neighbourhood>, Status> {
        let (neighbourhood, _) = self.ledger.load::<neighbourhood::Neighbourhood>(id).await?;
        let seen = neighbourhood.is_open() && call.principal.scope.allows(id);
        if seen { Ok(neighbourhood) } else { Err(not_found("neighbourhood").into()) }
    }

    async fn compound(&self, call: &Call, id: &str) -> Result<Arc<compound::Compound>, Status> {
        let (compound, _) = self.ledger.load::<compound::Compound>(id).await?;
        let seen = compound.is_open() && call.principal.scope.allows(&compound.neighbourhood_id);
        if seen { Ok(compound) } else { Err(not_found("compound").into()) }
    }

    /// Where a household's members live.
    async fn residence(&self, call: &Call, household_id: &str) -> Result<Residence, Status> {
        let (household, _) = self.ledger.load::<household::Household>(household_id).await?;
        let seen = household.registered().filter(|home| call.principal.scope.allows(&home.neighbourhood_id));
        let home = seen.ok_or_else(|| Status::from(not_found("household")))?;
        Ok(Residence {
            neighbourhood_id: home.neighbourhood_id.clone(),
            compound_id: home.compound_id.clone(),
            household_id: household_id.to_owned(),
        })
    }

    /// A resident within the caller's reach, and where they live.
    async fn resident(&self, call: &Call, id: &str) -> Result<(Arc<resident::Resident>, Residence), Status> {
        let (resident, _) = self.ledger.load::<resident::Resident>(id).await?;
        let seen = resident.residence().filter(|home| call.principal.scope.allows(&home.neighbourhood_id)).cloned();
        let home = seen.ok_or_else(|| Status::from(not_found("resident")))?;
        Ok((resident, home))
    }

    /// The neighbourhood or the compound that a list is about; nothing named: all that the caller may see.
    async fn within(&self, call: &Call, parent: &str) -> Result<Within, Status> {
        let mut fields = Fields::new();
        if parent.starts_with("compounds/") {
            let compound = fields.name("parent", "compounds", parent);
            let compound = fields.read(compound)?;
            let neighbourhood = self.compound(call, &compound).await?.neighbourhood_id.clone();
            return Ok(Within { neighbourhood, compound });
        }
        let neighbourhood = fields.name_if_given("parent", "neighbourhoods", parent);
        fields.done()?;
        if let Some(neighbourhood) = &neighbourhood {
            self.neighbourhood(call, neighbourhood).await?;
        }
        Ok(Within { neighbourhood: neighbourhood.unwrap_or_default(), compound: String::new() })
    }

    /// Decides and appends, and says in words which record is in the way of a new one.
    async fn decide<A, R, D>(
        &self,
        call: &Call,
        id: &str,
        decide: D,
        reply: impl Fn(&A, u64) -> R + Send + Sync,
    ) -> Result<Done<R>, Status>
    where
        A: Aggregate,
        R: prost::Message + Default,
        D: Fn(&A, u64) -> Result<Decision<A::Event>, Refusal> + Send + Sync,
    {
        self.ledger.transact::<A, R, Refusal, _, _>(call, id, decide, reply).await.map_err(clash)
    }

    /// The same about something that the call itself brings into the register.
    async fn begin<A, R, D>(
        &self,
        call: &Call,
        id: &str,
        decide: D,
        reply: impl Fn(&A, u64) -> R + Send + Sync,
    ) -> Result<Done<R>, Status>
    where
        A: Aggregate,
        R: prost::Message + Default,
        D: Fn(&A, u64) -> Result<Decision<A::Event>, Refusal> + Send + Sync,
    {
        self.ledger.begin::<A, R, Refusal, _, _>(call, id, decide, reply).await.map_err(clash)
    }
}

/// An etag that is given must be the version that the decision was made on; one that changes nothing needs none.
fn fresh<E>(events: Vec<E>, etag: &str, version: u64) -> Result<Vec<E>, Refusal> {
    if events.is_empty() || etag.is_empty() || etag == version.to_string() {
        return Ok(events);
    }
    Err(stale())
}

fn stale() -> Refusal {
    Refusal::new(
        Kind::Stale,
        reason(contract::Refusal::StaleEtag.as_str_name()),
        "这条记录在您读取之后已被修改：请刷新后重试",
        "somebody changed this record since you read it: read it again and retry",
    )
}

/// Says what is there already, when a key is held by another record.
fn clash(failure: Failure) -> Status {
    let Failure::Reserved { scope, stream_id } = failure else { return failure.into() };
    let (zh, en) = match scope.as_str() {
        keys::NEIGHBOURHOOD_CODE => {
            ("已有使用该代码的社区：请核对代码", "there is a neighbourhood with this code: check the code")
        }
        keys::COMPOUND_NAME => (
            "本社区已有同名小区：请使用已有的小区，或换一个名称",
            "the neighbourhood has a compound of this name: use that one, or give this one another name",
        ),
        keys::GRID_NAME => (
            "本社区已有同名网格：请使用已有的网格，或换一个名称",
            "the neighbourhood has a grid of this name: use that one, or give this one another name",
        ),
        keys::HOUSEHOLD_DOOR => (
            "该小区的这一室已经登记：请使用已有的户",
            "this room is registered already: use the household that is there",
        ),
        keys::VOLUNTEER => (
            "该住户已登记为志愿者：请使用已有的记录",
            "this resident is a volunteer already: use the record that is there",
        ),
        keys::RESIDENT_DOCUMENT => (
            "本社区已有使用该证件号码的住户：请按证件号码查找并核对",
            "a resident of this neighbourhood has this document number: find them by it and compare",
        ),
        _ => (
            "该户已有同名住户：如是同一人请使用已有记录，如是两人请在姓名后加以区分",
            "the household has a resident of this name: use that record, or tell the two names apart",
        ),
    };
    let refusal = Refusal::new(Kind::AlreadyExists, reason(contract::Refusal::AlreadyExists.as_str_name()), zh, en);
    // Keys are held within a neighbourhood, so the other record is the caller's to see.
    if scope == keys::NEIGHBOURHOOD_CODE { refusal.into() } else { refusal.about("id", stream_id).into() }
}

pub(crate) fn fault(error: anyhow::Error) -> Status {
    Failure::Fault(error).into()
}

/// A refusal of the domain, as it is answered.
#[expect(clippy::needless_pass_by_value, reason = "it stands behind `map_err`")]
fn refused(refusal: impl Refuse) -> Refusal {
    refusal.refusal()
}
