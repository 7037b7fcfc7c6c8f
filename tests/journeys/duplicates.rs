//! One person stands in the register twice: found, merged by decision, undone by decision. What bars the one record bars the
//! other, so that nobody becomes free by a merge, and nobody stays barred after it is undone.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    pass::v1::{GetHolderRequest, Holder, IssuePassRequest, pass_service_client::PassServiceClient},
    registry::v1::{
        GetResidentRequest, Likeness, ListDuplicatesRequest, MergeResidentRequest, Resident, UnmergeResidentRequest,
        duplicate_service_client::DuplicateServiceClient, registry_service_client::RegistryServiceClient,
    },
};
use tests::{House, time, village::Village};

const CLEAN: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];
const WUHAN: &[(&str, &str, &str)] = &[("武汉", "2020-01-20", "2020-01-22"), ("宁波", "2020-01-23", "2020-02-10")];

async fn holder(house: &House, village: &Village, resident: &Resident) -> Holder {
    let request = GetHolderRequest { name: resident.name.clone() };
    PassServiceClient::new(village.worker(house)).get_holder(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_records_of_one_person_are_merged_with_their_bars_and_parted_again() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let one = village.resident(&house, "1幢", "王小明", "13900000001").await;
    let other = village.resident(&house, "2幢", "王晓明", "13900000001").await;
    village.resident(&house, "3幢", "李红", "13900000001").await;
    house.settled().await;

    let mut desk = DuplicateServiceClient::new(village.worker(&house));
    let list = ListDuplicatesRequest { parent: village.neighbourhood.clone(), ..ListDuplicatesRequest::default() };
    let found = desk.list_duplicates(list.clone()).await.unwrap().into_inner().duplicates;
    assert_eq!(found.len(), 1, "a family with one phone is no pair: {found:?}");
    let pair = &found[0];
    let mut names = [pair.one.clone().unwrap().name, pair.other.clone().unwrap().name];
    names.sort();
    let mut expected = [one.name.clone(), other.name.clone()];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(pair.one.clone().unwrap().masked_name, "王**");
    let alike: Vec<Likeness> = pair.likenesses().collect();
    assert_eq!(alike, [Likeness::NameSoundsAlike, Likeness::SamePhone]);

    village.screened(&house, &other, CLEAN).await;
    village.screened(&house, &one, WUHAN).await;
    house.settled().await;
    let issue = IssuePassRequest {
        request_id: new_request_id(),
        resident: other.name.clone(),
        surname: "王".into(),
        kind: 0,
        access: 0,
    };
    let afternoon = village.worker(&house).at(time("2020-02-11T15:00:00+08:00"));
    PassServiceClient::new(afternoon).issue_pass(issue).await.unwrap();
    assert!(!holder(&house, &village, &one).await.bars.is_empty());
    assert!(holder(&house, &village, &other).await.bars.is_empty());

    let merge = |name: &str, into: &str| MergeResidentRequest {
        request_id: new_request_id(),
        name: name.into(),
        into: into.into(),
        reason: "证件核对，同一人".into(),
        etag: String::new(),
    };
    let itself = desk.merge_resident(merge(&one.name, &one.name)).await.unwrap_err();
    assert_eq!(Spoken::from(&itself).reason, "FIELD_INVALID");
    let elsewhere = Village::found(&house, "330212002002").await;
    let mut stranger = DuplicateServiceClient::new(house.local("staff/x", Role::Worker, &elsewhere.neighbourhood));
    let refused = stranger.merge_resident(merge(&one.name, &other.name)).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "NOT_FOUND");

    let merged = desk.merge_resident(merge(&one.name, &other.name)).await.unwrap().into_inner();
    assert_eq!(merged.merged_into, other.name);
    house.settled().await;
    let barred = holder(&house, &village, &other).await;
    assert_eq!(barred.bars, std::slice::from_ref(&one.name), "nobody becomes free by a merge");
    assert!(barred.pass.unwrap().suspended);
    let shown = RegistryServiceClient::new(village.worker(&house))
        .get_resident(GetResidentRequest { name: one.name.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((shown.merged_into.as_str(), shown.moved_out), (other.name.as_str(), false));
    assert!(desk.list_duplicates(list.clone()).await.unwrap().into_inner().duplicates.is_empty());
    let backwards = desk.merge_resident(merge(&other.name, &one.name)).await.unwrap_err();
    assert_eq!(Spoken::from(&backwards).reason, "MERGED");

    let undo = UnmergeResidentRequest {
        request_id: new_request_id(),
        name: one.name.clone(),
        reason: "核对后是两个人".into(),
    };
    let parted = desk.unmerge_resident(undo.clone()).await.unwrap().into_inner();
    assert_eq!(parted.merged_into, "");
    assert_eq!(desk.unmerge_resident(undo).await.unwrap().into_inner(), parted, "said twice it is one decision");
    house.settled().await;
    let free = holder(&house, &village, &other).await;
    assert!(free.bars.is_empty() && !free.pass.unwrap().suspended, "nobody stays barred after it is undone");
    assert!(!holder(&house, &village, &one).await.bars.is_empty(), "what barred the one bars them still");
    assert_eq!(desk.list_duplicates(list).await.unwrap().into_inner().duplicates.len(), 1);
}
