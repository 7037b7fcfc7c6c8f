//! Residents who help, where nobody can be asked how they stand.

use chassis::refusal::Spoken;
use proto::registry::v1::{
    Clearance, EnrolVolunteerRequest, ListVolunteersRequest, RecordServiceRequest, RetireVolunteerRequest, Volunteer,
    VolunteerWork, volunteer_service_server::VolunteerService as _,
};
use tonic::Status;

use super::Desk;

impl Desk {
    async fn volunteer(&self, id: &str, resident: &str) -> Result<Volunteer, Status> {
        let request = EnrolVolunteerRequest { request_id: id.into(), resident: resident.into(), profile: None };
        Ok(self.done(Ok(self.api.enrol_volunteer(self.ask(request)).await?)))
    }

    async fn serve(&self, id: &str, volunteer: &str, date: &str) -> Result<Volunteer, Status> {
        let request = RecordServiceRequest {
            request_id: id.into(),
            volunteer: volunteer.into(),
            work: VolunteerWork::Temperature.into(),
            date: date.into(),
            minutes: 90,
        };
        Ok(self.done(Ok(self.api.record_service(self.ask(request)).await?)))
    }
}

#[tokio::test]
async fn nobody_is_called_cleared_where_isolation_cannot_be_asked() {
    let desk = Desk::open().await;
    let compound = desk.compound(&desk.neighbourhood("330212002012").await, "长丰二村").await;
    let household = desk.household(&compound, "101").await;
    let resident = desk.resident("resident-1", &household, "王小明", "").await.unwrap();
    let volunteer = desk.volunteer("volunteer-1", &resident.name).await.unwrap();
    let profile = volunteer.profile.unwrap();
    assert_eq!((profile.building.as_str(), volunteer.masked_name.as_str()), ("3", "王**"));
    let twice = desk.volunteer("volunteer-2", &resident.name).await.unwrap_err();
    assert_eq!(Spoken::from(&twice).reason, "ALREADY_EXISTS");

    desk.serve("served-01", &volunteer.name, "2020-02-10").await.unwrap();
    desk.serve("served-01", &volunteer.name, "2020-02-10").await.unwrap();
    let ahead = desk.serve("served-02", &volunteer.name, "2020-02-12").await.unwrap_err();
    assert_eq!(Spoken::from(&ahead).fields[0].field, "date");
    let list = ListVolunteersRequest::default();
    let listed = desk.done(desk.api.list_volunteers(desk.ask(list.clone())).await).volunteers;
    assert_eq!((listed.len(), listed[0].minutes, listed[0].times), (1, 90, 1), "said twice is given once");
    assert_eq!(listed[0].clearance(), Clearance::Unspecified);
    let cleared = ListVolunteersRequest { cleared_only: true, ..list };
    let refused = desk.api.list_volunteers(desk.ask(cleared)).await.unwrap_err();
    assert_eq!(Spoken::from(&refused).reason, "CARE_UNAVAILABLE");

    let retire = RetireVolunteerRequest { request_id: "retire-01".into(), name: volunteer.name.clone() };
    assert!(desk.done(desk.api.retire_volunteer(desk.ask(retire)).await).retired);
    let late = desk.serve("served-03", &volunteer.name, "2020-02-11").await.unwrap_err();
    assert_eq!(Spoken::from(&late).reason, "RETIRED");
    assert!(desk.volunteer("volunteer-3", &resident.name).await.is_ok(), "who comes back is enrolled again");
}
