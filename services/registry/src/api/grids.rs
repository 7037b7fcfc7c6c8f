//! Grids and buildings: the parts of a neighbourhood that one worker looks after, and of what they are made.

use chassis::{Call, Decision, Fields};
use proto::registry::v1::{
    AddBuildingRequest, AssignGridRequest, Building, CreateGridRequest, Grid, ListBuildingsRequest,
    ListBuildingsResponse, ListGridsRequest, ListGridsResponse, grid_service_server::GridService,
};
use tonic::{Request, Status};

use super::{Answer, Api, fault, refused};
use crate::{
    domain::{compound, grid, not_found},
    keys, place,
    projections::{Asked, grids},
    typing,
};

/// Characters of a name.
const LONGEST: usize = 60;
const MOST_UNITS: i32 = 50;

#[tonic::async_trait]
impl GridService for Api {
    async fn create_grid(&self, request: Request<CreateGridRequest>) -> Answer<Grid> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner().grid.unwrap_or_default();
        let mut fields = Fields::new();
        let display_name = typing::tidy(&given.display_name);
        fields.required("grid.display_name", &display_name, LONGEST);
        let neighbourhood = fields.name("grid.neighbourhood", "neighbourhoods", &given.neighbourhood);
        let neighbourhood = fields.read(neighbourhood)?;
        self.neighbourhood(&call, &neighbourhood).await?;
        let id = call.id("grid");
        let key = keys::grid(&neighbourhood, &display_name);
        let decide = |grid: &grid::Grid, _| {
            let events = grid.open(&display_name, &neighbourhood).map_err(refused)?;
            Ok(Decision::new(events).office(&neighbourhood).reserve(keys::GRID_NAME, &key))
        };
        let reply = |after: &grid::Grid, version: u64| Grid {
            name: format!("grids/{id}"),
            display_name: after.display_name.clone(),
            neighbourhood: format!("neighbourhoods/{}", after.neighbourhood_id),
            households: 0,
            etag: version.to_string(),
        };
        Ok(self.begin(&call, &id, decide, reply).await?.into_response())
    }

    async fn list_grids(&self, request: Request<ListGridsRequest>) -> Answer<ListGridsResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let mut fields = Fields::new();
        let parent = fields.name_if_given("parent", "neighbourhoods", &request.get_ref().parent).unwrap_or_default();
        fields.done()?;
        let mut db = self.views.read(&call).await?;
        let page = grids::list(&mut db, &call.principal.scope, &parent, &asked).await.map_err(fault)?;
        Ok(ListGridsResponse { grids: page.rows, next_page_token: page.next }.into())
    }

    async fn add_building(&self, request: Request<AddBuildingRequest>) -> Answer<Building> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let building = place::building(&given.building);
        fields.required("building", &building, place::LONGEST);
        fields.check(
            "units",
            (0..=MOST_UNITS).contains(&given.units),
            "应为 0 到 50 之间的整数",
            "must be a whole number between 0 and 50",
        );
        let id = fields.name("compound", "compounds", &given.compound);
        let id = fields.read(id)?;
        let decide = |compound: &compound::Compound| compound.add_building(&building, given.units);
        change(self, &call, &id, &building, decide).await
    }

    async fn assign_grid(&self, request: Request<AssignGridRequest>) -> Answer<Building> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let building = place::building(&given.building);
        fields.at_most("building", &building, place::LONGEST);
        let grid_id = fields.name("grid", "grids", &given.grid);
        let id = fields.name("compound", "compounds", &given.compound);
        let (grid_id, id) = fields.read(grid_id.zip(id))?;
        let compound = self.compound(&call, &id).await?;
        let (grid, _) = self.ledger.load::<grid::Grid>(&grid_id).await?;
        // A grid of another neighbourhood is as good as none.
        if !grid.is_open() || grid.neighbourhood_id != compound.neighbourhood_id {
            return Err(not_found("grid").into());
        }
        change(self, &call, &id, &building, |compound| compound.assign_grid(&grid_id, &building)).await
    }

    async fn list_buildings(&self, request: Request<ListBuildingsRequest>) -> Answer<ListBuildingsResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let mut fields = Fields::new();
        let parent = fields.name_if_given("parent", "compounds", &request.get_ref().parent).unwrap_or_default();
        fields.done()?;
        let mut db = self.views.read(&call).await?;
        let page = grids::buildings(&mut db, &call.principal.scope, &parent, &asked).await.map_err(fault)?;
        Ok(ListBuildingsResponse { buildings: page.rows, next_page_token: page.next }.into())
    }
}

async fn change(
    api: &Api,
    call: &Call,
    id: &str,
    building: &str,
    decide: impl Fn(&compound::Compound) -> Result<Vec<compound::Event>, compound::Refusal> + Send + Sync,
) -> Result<tonic::Response<Building>, Status> {
    let known = api.compound(call, id).await?;
    let decide = |compound: &compound::Compound, _| {
        Ok(Decision::new(decide(compound).map_err(refused)?).office(&known.neighbourhood_id))
    };
    let reply = |after: &compound::Compound, _| Building {
        compound: format!("compounds/{id}"),
        building: building.to_owned(),
        units: after.buildings.get(building).copied().unwrap_or_default(),
        grid: after.grids.get(building).map_or_else(String::new, |grid| format!("grids/{grid}")),
    };
    Ok(api.decide(call, id, decide, reply).await?.into_response())
}
