//! The first administrator: a one-time link, spent once, and a token that gives others theirs.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::access::v1::{
    ClaimAdministratorRequest, GetPrincipalRequest, IssueTokenRequest, Principal, Role,
    access_service_client::AccessServiceClient,
};
use tests::House;

#[tokio::test(flavor = "multi_thread")]
async fn the_code_is_good_once_also_after_a_restart() {
    let house = House::new().await;
    let code = house.running().code.clone().expect("nobody has claimed it yet");
    let mut anybody = AccessServiceClient::new(house.anybody());
    let claim = ClaimAdministratorRequest { code: code.clone() };
    let token = anybody.claim_administrator(claim.clone()).await.unwrap().into_inner();
    let refused = anybody.claim_administrator(claim.clone()).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "CODE_SPENT");
    let house = house.restarted().await;
    assert!(house.running().code.is_none());
    let mut anybody = AccessServiceClient::new(house.anybody());
    let refused = anybody.claim_administrator(claim).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "CODE_SPENT");

    let administrator = house.anybody().with_token(&token.token).unwrap();
    let mut administrator = AccessServiceClient::new(administrator);
    let person = Principal {
        subject: "staff/w".into(),
        role: Role::Worker.into(),
        unit: String::new(),
        neighbourhood: "neighbourhoods/n".into(),
        gate: String::new(),
    };
    let request =
        IssueTokenRequest { request_id: new_request_id(), principal: Some(person.clone()), lifetime_seconds: 60 };
    let issued = administrator.issue_token(request).await.unwrap().into_inner();
    let mut worker = AccessServiceClient::new(house.anybody().with_token(&issued.token).unwrap());
    let seen = worker.get_principal(GetPrincipalRequest {}).await.unwrap().into_inner();
    assert_eq!(seen, Principal { unit: "n".into(), ..person.clone() }, "the unit is the neighbourhood's");
    let request = IssueTokenRequest { request_id: new_request_id(), principal: Some(person), lifetime_seconds: 60 };
    let refused = worker.issue_token(request).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "ROLE_NOT_ALLOWED");
}
