//! The method that every neighbourhood shares, and what it says about a person: declared, seen, compared, explained.

/// Names of places, in the words of people and of carriers.
pub mod places;
/// What was declared and what was seen, compared: a pure function.
pub mod verdict;
/// What a change of the method touches: a pure function, too.
pub mod difference;
/// What one version of the method changes in another, in rows and in words.
pub mod comparison;
/// A method as it is written in a file, and the one that is shipped.
pub mod method_file;
/// The verdict without a server: JSON in, JSON out.
pub mod explain;
/// Messages of the contract in the forms that the verdict takes, and back.
pub mod messages;
/// The three carriers: one trait, and for each what it wants and how it answers.
pub mod carriers {
    /// What can be asked of any of them.
    pub mod carrier;
    /// 移动
    pub mod mobile;
    /// 联通
    pub mod unicom;
    /// 电信
    pub mod telecom;
    /// The way to one of them.
    pub mod endpoint;
    /// Which ones this installation may ask.
    pub mod config;
}
/// What decides.
pub mod domain {
    /// One version of the method.
    pub mod method;
    /// One occasion on which one person is screened.
    pub mod case;
    /// How far everybody was judged anew by a version of the method.
    pub mod rescreening;
    /// What names mean that no table knows.
    pub mod vocabulary;
    /// What carriers are asked about the numbers of a case.
    pub mod inquiry;
    /// A city that a carrier took for another.
    pub mod carrier_error;
    /// An evening's round.
    pub mod session;
}
/// What is shown.
pub mod projections {
    /// Which version of the method is in force.
    pub mod methods;
    /// Cases by resident, compound and state.
    pub mod cases;
    /// What verdicts rest on, sealed as it is, person by person.
    pub mod papers;
    /// Disputes by their due time.
    pub mod disputes;
    /// Verdicts set by hand, and how many each unit has set.
    pub mod overrides;
    /// How often each carrier was wrong about which pair of cities.
    pub mod carrier_errors;
    /// What was decided about names.
    pub mod vocabulary;
    /// Who has moved out.
    pub mod departed;
    /// Cases that could not be judged anew.
    pub mod set_aside;
    /// Compounds, grids, and who lives in which.
    pub mod homes;
    /// Sessions, and what was done when.
    pub mod sessions;
    /// Who was taken to isolation.
    pub mod hand_overs;
    /// Numbers that wait for a carrier, or for their person.
    pub mod waiting;
}
/// Evidence and declaration opened, judged, and the reasons sealed again.
mod assessor;
/// Whether a record leads to another verdict under another version.
mod rejudging;
/// Where everybody was seen, in memory alone.
mod footprints;
/// What a version would change, for whom and where.
mod dry_run;
/// When a version comes into force, everybody whom it touches is judged anew.
mod rescreening;
/// What came of a session.
mod round;
/// A verdict set by hand, in words.
mod overriding;
/// Which city a carrier took for which.
mod mistaken;
/// What time it is for those who act by themselves.
mod hour;
/// What is due by the clock: late disputes, ends of overrides, errors of carriers.
mod timekeeping;
/// Whose number it is.
mod register;
/// One question to a carrier, and what comes of it.
mod scanning;
/// Carriers that have not answered are asked again.
mod retrying;
/// Requests in, decisions out.
pub mod api;
/// When somebody registers, a screening is due.
pub mod reactions;

pub use explain::explain;

use std::sync::{Arc, atomic::AtomicI64};

use api::{Api, CarrierApi};
use assessor::Assessor;
use carriers::config::Config;
use chassis::{Host, Projection};
use footprints::Footprints;
use hour::Hour;
use proto::screening::v1::{
    carrier_service_server::CarrierServiceServer, dispute_service_server::DisputeServiceServer,
    method_service_server::MethodServiceServer, override_service_server::OverrideServiceServer,
    screening_service_server::ScreeningServiceServer, session_service_server::SessionServiceServer,
    vocabulary_service_server::VocabularyServiceServer,
};
use register::Register;
use rejudging::Records;
use rescreening::Rescreener;
use retrying::Retrier;
use scanning::Scanner;
use timekeeping::Timekeeper;
use tokio::sync::Notify;
use tonic::service::RoutesBuilder;

/// The service's log, keys and folder.
pub const SERVICE: &str = "screening";

/// Largest request of the table of RPCs; the access layer enforces each row's own limit.
const MOST_BYTES: usize = 256 << 10;

/// Opens the log, follows the registry, and answers; asks the carriers that are set up.
pub async fn start(host: &Host, routes: &mut RoutesBuilder, carriers: &Config) -> anyhow::Result<()> {
    let api = open(host).await?;
    let scanner = Arc::new(Scanner {
        api: api.clone(),
        carriers: carriers.open()?,
        clock: host.clock.clone(),
        first_pause: chrono::TimeDelta::from_std(carriers.retry())?,
    });
    let retrier = Arc::new(Retrier { scanner: Arc::clone(&scanner), lease: host.lease.clone() });
    let stop = host.stop().clone();
    host.tracker().spawn(async move {
        stop.run_until_cancelled(retrier.run()).await;
    });
    let register = Register { replicas: host.connections_to("registry")? };
    routes.add_service(
        CarrierServiceServer::new(CarrierApi::new(scanner, register)).max_decoding_message_size(MOST_BYTES),
    );
    routes.add_service(MethodServiceServer::new(api.clone()));
    routes.add_service(DisputeServiceServer::new(api.clone()));
    routes.add_service(OverrideServiceServer::new(api.clone()));
    routes.add_service(VocabularyServiceServer::new(api.clone()));
    routes.add_service(SessionServiceServer::new(api.clone()));
    routes.add_service(ScreeningServiceServer::new(api).max_decoding_message_size(MOST_BYTES));
    Ok(())
}

async fn open(host: &Host) -> anyhow::Result<Api> {
    let ledger = host.ledger(SERVICE).await?;
    let vault = host.vault(SERVICE).await?;
    let views: Vec<Box<dyn Projection>> = vec![
        Box::new(projections::methods::Methods),
        Box::new(projections::cases::Cases),
        Box::new(projections::papers::Papers),
        Box::new(projections::disputes::Disputes),
        Box::new(projections::overrides::Overrides),
        Box::new(projections::carrier_errors::CarrierErrors),
        Box::new(projections::vocabulary::Decisions),
        Box::new(projections::waiting::Waiting),
        Box::new(projections::departed::Departed),
        Box::new(projections::set_aside::SetAside),
        Box::new(projections::homes::Homes),
        Box::new(projections::sessions::Sessions),
        Box::new(projections::hand_overs::HandOvers),
    ];
    let views = host.views(SERVICE, views).await?;
    let footprints: Arc<Footprints> = Arc::default();
    let assessor = Assessor { ledger: ledger.clone(), vault };
    let published = Arc::new(Notify::new());
    let records = Records { assessor: assessor.clone(), views: views.clone() };
    host.react(SERVICE, Box::new(reactions::Reactions::new(records.clone(), Arc::clone(&footprints)))).await?;
    let hour = Hour::new(ledger.clone(), host.clock.clone());
    let timekeeper = Timekeeper {
        ledger: ledger.clone(),
        records: records.clone(),
        hour: hour.clone(),
        lease: host.lease.clone(),
        secrets: Arc::clone(&host.secrets),
        counted: AtomicI64::default(),
    };
    let rescreener = Arc::new(Rescreener {
        ledger,
        records,
        footprints,
        clock: host.clock.clone(),
        hour,
        lease: host.lease.clone(),
        hint: Arc::clone(&published),
        followed: AtomicI64::default(),
    });
    let stop = host.stop().clone();
    host.tracker().spawn(async move {
        stop.run_until_cancelled(timekeeper.run()).await;
    });
    let stop = host.stop().clone();
    host.tracker().spawn(async move {
        stop.run_until_cancelled(rescreener.run()).await;
    });
    Ok(Api::new(views, assessor, published))
}
