//! Residents by what somebody knows of them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chassis::Scope;
use proto::registry::v1::{
    EraseResidentRequest, FindResidentsRequest, ListResidentsResponse, MoveOutResidentRequest,
    find_residents_request::Key, registry_service_server::RegistryService as _,
};
use tonic::{Code, Status};

use super::{CARD, Desk, many};

impl Desk {
    async fn look(&self, key: Key, parent: &str, size: i32, token: &str) -> Result<ListResidentsResponse, Status> {
        let request =
            FindResidentsRequest { key: Some(key), parent: parent.into(), page_size: size, page_token: token.into() };
        Ok(self.api.find_residents(self.ask(request)).await?.into_inner())
    }

    /// How many have this name.
    async fn called(&self, name: &str) -> usize {
        self.find(Key::Name(name.into())).await.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_as_soon_as_it_is_registered_and_never_after_an_erasure() {
    let mut desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    let home = desk.household(&compound, "402").await;
    desk.scope = Scope::Neighbourhood(parent.name.trim_start_matches("neighbourhoods/").into());
    assert_eq!(desk.called("sx").await, 0);
    let resident = desk.resident("resident-1", &home, "单雄信", CARD).await.unwrap();
    desk.resident("resident-2", &home, "尉迟恭", "").await.unwrap();
    for name in ["单雄信", "雄信", "shanxiongxin", "sxx", "shanxx", "xiongxin"] {
        let found = desk.find(Key::Name(name.into())).await;
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!((found[0].name.as_str(), found[0].masked_name.as_str()), (resident.name.as_str(), "单**"));
    }
    assert_eq!((desk.called("yuchi").await, desk.called("dan").await), (1, 0));

    let name = resident.name.clone();
    let leave = MoveOutResidentRequest { request_id: "leave-001".into(), name: name.clone(), etag: String::new() };
    desk.done(desk.api.move_out_resident(desk.ask(leave)).await);
    assert!(desk.find(Key::Name("sxx".into())).await[0].moved_out);
    let erase = EraseResidentRequest { request_id: "erase-001".into(), name };
    desk.done(desk.api.erase_resident(desk.ask(erase)).await);
    assert_eq!(desk.called("单雄信").await + desk.called("sxx").await, 0);
    assert_eq!(desk.called("yuchi").await, 1);
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_for_in_one_neighbourhood_and_a_strangers_answers_like_a_missing_one() {
    let mut desk = Desk::open().await;
    let (here, there) = (desk.neighbourhood("330212002012").await, desk.neighbourhood("330212002013").await);
    let (ours, theirs) = (desk.compound(&here, "长丰二村").await, desk.compound(&there, "金家新村").await);
    let home = desk.household(&ours, "402").await;
    desk.resident("resident-1", &home, "王小明", "").await.unwrap();

    let name = || Key::Name("wxm".into());
    let refused = desk.look(name(), "", 0, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "the subdistrict has no list of names");
    for (parent, count) in [(&here.name, 1), (&there.name, 0), (&ours.name, 1), (&theirs.name, 0)] {
        assert_eq!(desk.look(name(), parent, 0, "").await.unwrap().residents.len(), count, "{parent}");
    }

    desk.scope = Scope::Neighbourhood(there.name.trim_start_matches("neighbourhoods/").into());
    assert!(desk.look(name(), "", 0, "").await.unwrap().residents.is_empty());
    for (foreign, missing) in [(&here.name, "neighbourhoods/none"), (&ours.name, "compounds/none")] {
        let keys = [name(), Key::Room("402".into()), Key::Phone("13800001234".into())];
        for key in keys {
            let foreign = desk.look(key.clone(), foreign, 0, "").await.unwrap_err();
            let missing = desk.look(key, missing, 0, "").await.unwrap_err();
            assert_eq!((foreign.code(), foreign.message()), (missing.code(), missing.message()));
            assert_eq!(foreign.details(), missing.details());
        }
    }
    assert!(desk.look(Key::Room("402".into()), "", 0, "").await.unwrap().residents.is_empty());
    desk.host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_what_was_found_comes_once_and_in_the_order_of_the_doors() {
    let desk = Desk::open().await;
    let parent = desk.neighbourhood("330212002012").await;
    let compound = desk.compound(&parent, "长丰二村").await;
    desk.import("import-001", &parent, many(4000), false).await;
    let begun = Instant::now();
    assert_eq!(desk.look(Key::Name("zj".into()), &parent.name, 1, "").await.unwrap().residents.len(), 1);
    println!("4,000 names in {:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(desk.look(Key::Name("nobody".into()), &parent.name, 0, "").await.unwrap().residents.is_empty());
    println!("again in {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(1));

    // Built anew from the log, the rows change and the names in memory follow.
    desk.api.views.rebuild().await.unwrap();
    let doors: Vec<String> = desk.residents("").await.into_iter().map(|resident| resident.name).collect();
    for (key, within, size, count) in [
        (Key::Name("张甲".into()), &parent.name, 0, 2000),
        (Key::Name("zhangj".into()), &compound.name, 77, 2000),
        (Key::Phone("13800001234".into()), &compound.name, 1000, 4000),
        (Key::Room("3-1-101室".into()), &parent.name, 1, 2),
        (Key::Room("101".into()), &compound.name, 1, 2),
    ] {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = desk.look(key.clone(), within, size, &token).await.unwrap();
            assert!(page.residents.len() <= 100);
            found.extend(page.residents.into_iter().map(|resident| resident.name));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found.len(), count);
        let among: BTreeSet<&String> = found.iter().collect();
        let expected: Vec<&String> = doors.iter().filter(|name| among.contains(name)).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "in the order of the doors");
    }
    desk.host.close().await;
}
