//! R5: a number on record that is replaced by another one, which is as many as before, is asked about anew.

use chassis::client::new_request_id;
use proto::{
    registry::v1::{CorrectResidentRequest, Phones, correction_service_client::CorrectionServiceClient},
    screening::v1::{
        Case, GetCaseRequest, ListEvidenceRequest, Outcome, Source, number_inquiry::State,
        screening_service_client::ScreeningServiceClient,
    },
};
use tests::once;

use super::street::{MOBILE, Street, TELECOM, UNICOM, at_home, down, number_of, outcome};

impl Street {
    async fn case(&self, name: &str) -> Case {
        let request = GetCaseRequest { name: name.into() };
        ScreeningServiceClient::new(self.worker()).get_case(request).await.unwrap().into_inner()
    }

    /// The person comes to the window and says that these are the numbers; the case once it has heard of it.
    async fn put_right(&self, case: &str, numbers: &[&str]) -> Case {
        let before = self.case(case).await;
        let request = CorrectResidentRequest {
            request_id: new_request_id(),
            name: before.resident.clone(),
            reason: "本人换号".into(),
            phones: Some(Phones { numbers: numbers.iter().map(|number| (*number).into()).collect() }),
            ..CorrectResidentRequest::default()
        };
        CorrectionServiceClient::new(self.worker()).correct_resident(request).await.unwrap();
        once("the case hears of no other number", async || {
            Some(self.case(case).await).filter(|after| after.etag != before.etag)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_replaced_by_another_one_is_asked_about_anew_and_the_old_one_stays_evidence_of_the_past() {
    let street = Street::open().await;
    for number in [MOBILE, UNICOM, TELECOM] {
        street.carriers.was(number, at_home());
    }
    let case = street.declared("1幢", &[MOBILE, UNICOM], &[]).await;
    street.scan(&case, 2, UNICOM, Source::Unicom).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    street.carriers.suffer(down(Source::Mobile));
    street.read_out(&case, 1, Source::Mobile, &code).await.unwrap();
    assert_eq!(street.waiting().await.len(), 1);

    // The first number was never theirs, and the other one stands before the new one now.
    let after = street.put_right(&case, &[UNICOM, TELECOM]).await;
    assert_eq!((after.phones, after.scanned), (2, 1), "as many as before, and one of them is another one");
    let change = after.phones_change.unwrap();
    assert_eq!(change.replaced, [1, 2]);
    assert!(change.explanation.unwrap().zh.contains("第1、2个已更换"));
    let inquiry = street.until(&case, |inquiry| number_of(inquiry, 2).state() == State::NotAsked).await;
    assert_eq!(number_of(&inquiry, 1).state(), State::Scanned, "a scan goes with its number");
    assert!(street.waiting().await.is_empty(), "nobody waits for an answer about a number that is not theirs");
    street.carriers.suffer(office::carriers::Faults::default());

    // Then the scanned one is given up for yet another one.
    let after = street.put_right(&case, &[MOBILE, TELECOM]).await;
    assert_eq!((after.phones, after.scanned), (2, 0));
    let listed = ListEvidenceRequest { case: case.clone() };
    let evidence = street.carriers().list_evidence(listed).await.unwrap().into_inner().evidence;
    assert_eq!((evidence.len(), evidence[0].phone), (1, 0), "evidence of the past");
    let token =
        street.house.token("staff/worker", proto::access::v1::Role::Worker, "", &street.village.neighbourhood, "");
    let (done, said) = street.house.desk(&token, &["screening", "evidence", "list", &case]).await;
    assert!(done && said.contains("former"), "{said}");

    let open = street.scan(&case, 2, TELECOM, Source::Telecom).await;
    assert_eq!(outcome(&open), None, "the old number's scan is not the new one's");
    let done = street.scan(&case, 1, MOBILE, Source::Mobile).await;
    assert_eq!(outcome(&done), Some(Outcome::Clear));
    assert_eq!(done.case.unwrap().verdict.unwrap().evidence_ids.len(), 3);
}
