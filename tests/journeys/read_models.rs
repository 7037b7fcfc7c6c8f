//! Read models can be dropped and built again, and a record that cannot be applied is seen.

use chassis::client::new_request_id;
use proto::{
    access::v1::Role,
    command::v1::{GetOverviewRequest, RebuildRequest, command_service_client::CommandServiceClient},
    event::v1::{
        GetHeadRequest, ListConsumersRequest, RebuildViewsRequest, VerifyLogRequest, consumer::State,
        event_log_service_client::EventLogServiceClient,
    },
    registry::v1::{
        CreateNeighbourhoodRequest, ListNeighbourhoodsRequest, Neighbourhood,
        registry_service_client::RegistryServiceClient,
    },
};
use tests::{House, once};

async fn found(house: &House, number: u32) {
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    officer
        .create_neighbourhood(CreateNeighbourhoodRequest {
            request_id: new_request_id(),
            neighbourhood: Some(Neighbourhood {
                display_name: format!("第{number}社区"),
                code: format!("330212002{number:03}"),
                ..Neighbourhood::default()
            }),
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_read_at_once_and_again_after_a_rebuild() {
    let house = House::new().await;
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    for number in 0..30 {
        found(&house, number).await;
        let request = ListNeighbourhoodsRequest { page_size: 100, page_token: String::new() };
        let seen = officer.list_neighbourhoods(request).await.unwrap().into_inner().neighbourhoods.len();
        assert_eq!(seen, number as usize + 1, "a write is read at once");
    }
    let mut operator = EventLogServiceClient::new(house.central("staff/a", Role::Administrator, "subdistrict"));
    // The pass service has announced its keys.
    let keys = operator.get_head(GetHeadRequest { log: "pass".into() }).await.unwrap().into_inner().position;
    let request = RebuildViewsRequest { request_id: new_request_id(), log: "registry".into() };
    let rebuilt = operator.rebuild_views(request).await.unwrap().into_inner();
    assert_eq!((rebuilt.generation, rebuilt.records), (2, 30));
    let mut command = CommandServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let rebuilt = command.rebuild(RebuildRequest { request_id: new_request_id() }).await.unwrap().into_inner();
    assert_eq!((rebuilt.records, rebuilt.differences), (30 + keys, Vec::new()));
    found(&house, 30).await;
    house.settled().await;
    let request = ListNeighbourhoodsRequest { page_size: 100, page_token: String::new() };
    assert_eq!(officer.list_neighbourhoods(request).await.unwrap().into_inner().neighbourhoods.len(), 31);
    let overview = command.get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    assert_eq!(overview.neighbourhoods.len(), 31);
    let house = house.restarted().await;
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let request = ListNeighbourhoodsRequest { page_size: 100, page_token: String::new() };
    assert_eq!(officer.list_neighbourhoods(request).await.unwrap().into_inner().neighbourhoods.len(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_the_log_halts_deciders_is_laid_aside_by_figures_and_breaks_the_chain() {
    let house = House::new().await;
    found(&house, 1).await;
    let folder = house.folder().to_owned();
    house.settled().await;
    // As somebody with a database tool would: the log's own triggers are out of the way first.
    let url = format!("sqlite://{}", folder.join("registry/log.db").display());
    sqlx::any::install_default_drivers();
    let mut db = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let triggers: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetch_all(&mut db).await.unwrap();
    for trigger in triggers {
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"))).execute(&mut db).await.unwrap();
    }
    sqlx::query("UPDATE event SET payload = x'ffffff' WHERE position = 1").execute(&mut db).await.unwrap();
    drop(db);
    // New read models must read the whole log.
    let house = house.restarted().await;
    let mut operator = EventLogServiceClient::new(house.central("staff/a", Role::Administrator, "subdistrict"));
    let verified = operator.verify_log(VerifyLogRequest { log: "registry".into() }).await.unwrap().into_inner();
    assert_eq!((verified.intact, verified.broken_at), (false, 1));
    let request = RebuildViewsRequest { request_id: new_request_id(), log: "registry".into() };
    let refused = operator.rebuild_views(request).await;
    assert!(refused.is_err(), "a rebuild that cannot read the log must not take the place of what works");
    let mut command = CommandServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let shown = once("the figures do not go on", async || {
        let overview = command.get_overview(GetOverviewRequest::default()).await.ok()?.into_inner();
        (overview.set_aside > 0).then_some(overview)
    });
    assert_eq!(shown.await.set_aside, 1);
    let consumers = operator.list_consumers(ListConsumersRequest {}).await.unwrap().into_inner().consumers;
    let figures = consumers.iter().find(|c| c.consumer == "command/memory" && c.source == "registry").unwrap();
    assert_eq!((figures.parked, figures.state()), (1, State::Running), "figures lay the record aside and go on");
    let [parked] = &figures.parked_records[..] else { panic!("it is named: {figures:?}") };
    assert_eq!((parked.position, &*parked.r#type), (1, "neighbourhood.opened"));
    let mut officer = RegistryServiceClient::new(house.central("staff/officer", Role::Officer, "subdistrict"));
    let request = ListNeighbourhoodsRequest { page_size: 100, page_token: String::new() };
    let still = officer.list_neighbourhoods(request).await.unwrap().into_inner().neighbourhoods.len();
    assert_eq!(still, 1, "the live read models are as they were");
}
