//! One row for every RPC: who may call it, how long it may take, how large its request may be, and which budget of calls
//! it draws on. Servers enforce it, clients take their deadlines from it, and a test fails on an RPC without a row.

use std::time::Duration;

use crate::access::v1::Role::{
    self, Administrator as A, Auditor as U, Director as D, Guard as G, Health as H, Officer as O, Service as S,
    Worker as W,
};

/// What one RPC needs and may use.
#[derive(Debug, Clone, Copy)]
pub struct Rpc {
    /// "/registry.v1.RegistryService/GetHousehold"
    pub path: &'static str,
    /// Empty: anybody, without a token.
    pub roles: &'static [Role],
    pub kind: Kind,
    pub deadline: Duration,
    /// Bytes of one request message.
    pub max_request: usize,
    pub rate: Rate,
}

/// Whether it changes something: commands carry a `request_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Query,
    Command,
}

/// Budgets of calls per principal. Under overload statistics are shed first and gates last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rate {
    /// Gates: never shed.
    Gate,
    /// The work of an office.
    Desk,
    /// Look-ups of a person by phone, identity number, name or room, and unmasking: few, so that nobody can harvest.
    Person,
    /// Figures and lists over many: shed first.
    Figures,
    /// Attempts with a one-time code.
    Attempt,
}

impl Rate {
    /// Calls per minute and principal, and the burst on top. A gate's peak is 11 a second for a subdistrict (DOMAIN section 6);
    /// an office imports thousands of rows through a few calls.
    pub const fn per_minute(self) -> (u32, u32) {
        match self {
            Self::Gate | Self::Desk => (600_000, 20_000),
            Self::Person => (60, 30),
            Self::Figures => (1_200, 200),
            Self::Attempt => (10, 5),
        }
    }
}

/// The row of a path.
pub fn find(path: &str) -> Option<&'static Rpc> {
    TABLE.iter().find(|rpc| rpc.path == path)
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const STAFF: &[Role] = &[W, D, O, H];
const DESK: &[Role] = &[W, D];
/// Who goes from door to door: what they learn there is about health and need, and not for figures.
const CARERS: &[Role] = &[W, D, H];
/// Whoever holds a gate sees when.
const ON_DUTY: &[Role] = &[W, D, O, H, G];
const SIGNERS: &[Role] = &[D, O, H];
/// Neither keys nor lists name anybody.
const VERIFIERS: &[Role] = &[G, W, D, O, H, A, U];
const RECORD: &[Role] = &[S, U, A];
const OPERATION: &[Role] = &[A];

const fn query(path: &'static str, roles: &'static [Role]) -> Rpc {
    let deadline = Duration::from_secs(5);
    Rpc { path, roles, kind: Kind::Query, deadline, max_request: 64 * KIB, rate: Rate::Desk }
}

const fn command(path: &'static str, roles: &'static [Role]) -> Rpc {
    let deadline = Duration::from_secs(10);
    Rpc { path, roles, kind: Kind::Command, deadline, max_request: 256 * KIB, rate: Rate::Desk }
}

impl Rpc {
    const fn rate(self, rate: Rate) -> Self {
        Self { rate, ..self }
    }
    const fn within(self, seconds: u64) -> Self {
        Self { deadline: Duration::from_secs(seconds), ..self }
    }
    const fn up_to(self, max_request: usize) -> Self {
        Self { max_request, ..self }
    }
}

/// Every RPC of the system.
pub const TABLE: &[Rpc] = &[
    command("/access.v1.AccessService/ClaimAdministrator", &[]).rate(Rate::Attempt),
    command("/access.v1.AccessService/IssueToken", OPERATION),
    query("/access.v1.AccessService/GetPrincipal", &[W, D, O, H, G, U, A, S, Role::Resident]),
    query("/event.v1.EventLogService/GetHead", RECORD),
    query("/event.v1.EventLogService/ReadRecords", RECORD),
    query("/event.v1.EventLogService/VerifyLog", RECORD).within(600).rate(Rate::Figures),
    query("/event.v1.EventLogService/ListConsumers", RECORD),
    command("/event.v1.EventLogService/ResumeConsumer", OPERATION),
    command("/event.v1.EventLogService/RebuildViews", OPERATION).within(3_600),
    command("/registry.v1.RegistryService/CreateNeighbourhood", &[O, A]),
    query("/registry.v1.RegistryService/ListNeighbourhoods", &[W, D, O, H, A, U]),
    command("/registry.v1.RegistryService/CreateCompound", &[D, O, A]),
    query("/registry.v1.RegistryService/GetCompound", &[W, D, O, H, G, A]),
    query("/registry.v1.RegistryService/ListCompounds", &[W, D, O, H, G, A]),
    command("/registry.v1.RegistryService/AddGate", &[D, O, A]),
    command("/registry.v1.RegistryService/SetRegime", &[D, O]),
    command("/registry.v1.RegistryService/CreateHousehold", DESK),
    query("/registry.v1.RegistryService/GetHousehold", STAFF),
    query("/registry.v1.RegistryService/ListHouseholds", STAFF),
    command("/registry.v1.RegistryService/CreateResident", DESK),
    query("/registry.v1.RegistryService/GetResident", STAFF),
    query("/registry.v1.RegistryService/ListResidents", STAFF),
    query("/registry.v1.RegistryService/FindResidents", STAFF).rate(Rate::Person),
    command("/registry.v1.RegistryService/RevealResident", STAFF).rate(Rate::Person),
    query("/registry.v1.RegistryService/ListReveals", &[D, O, U]),
    command("/registry.v1.RegistryService/MoveOutResident", DESK),
    command("/registry.v1.RegistryService/EraseResident", &[D, O]),
    command("/registry.v1.RegistryService/EnrolStaff", &[D, O, A]),
    query("/registry.v1.RegistryService/ListStaff", &[W, D, O, A]),
    command("/registry.v1.RegistryService/ImportHouseholds", DESK).within(600).up_to(9 * MIB),
    query("/registry.v1.ImportService/GetImportTemplate", &[W, D, O, A]),
    command("/registry.v1.ImportService/ImportPlaces", &[D, O, A]).within(600).up_to(9 * MIB),
    command("/registry.v1.GridService/CreateGrid", &[D, O, A]),
    query("/registry.v1.GridService/ListGrids", &[W, D, O, H, A]),
    command("/registry.v1.GridService/AddBuilding", &[D, O, A]),
    command("/registry.v1.GridService/AssignGrid", &[D, O, A]),
    query("/registry.v1.GridService/ListBuildings", &[W, D, O, H, A]),
    command("/registry.v1.CorrectionService/CorrectResident", DESK),
    query("/registry.v1.CorrectionService/ListCorrections", &[W, D, O, H, U]),
    query("/registry.v1.DuplicateService/ListDuplicates", DESK).rate(Rate::Person),
    command("/registry.v1.DuplicateService/MergeResident", DESK),
    command("/registry.v1.DuplicateService/UnmergeResident", DESK),
    command("/registry.v1.VisitService/RecordVisit", CARERS),
    query("/registry.v1.VisitService/ListVisits", STAFF),
    query("/registry.v1.VisitService/ListCoverage", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/registry.v1.VisitService/ListOverdueHouseholds", STAFF),
    query("/registry.v1.VisitService/ListUnknownOccupants", CARERS),
    command("/registry.v1.VisitService/ResolveUnknownOccupants", DESK),
    command("/registry.v1.VisitService/FlagKeyPerson", CARERS),
    command("/registry.v1.VisitService/UnflagKeyPerson", CARERS),
    query("/registry.v1.VisitService/ListKeyPersons", CARERS),
    command("/registry.v1.VolunteerService/EnrolVolunteer", DESK),
    command("/registry.v1.VolunteerService/UpdateVolunteer", DESK),
    command("/registry.v1.VolunteerService/RetireVolunteer", DESK),
    command("/registry.v1.VolunteerService/RecordService", DESK),
    query("/registry.v1.VolunteerService/ListVolunteers", STAFF),
    command("/registry.v1.VolunteerService/ThankVolunteer", DESK).rate(Rate::Person),
    command("/registry.v1.RosterService/OpenRoster", &[D, O]),
    query("/registry.v1.RosterService/GetRoster", ON_DUTY),
    query("/registry.v1.RosterService/ListRosters", ON_DUTY),
    query("/registry.v1.RosterService/SuggestDuties", &[D, O]),
    command("/registry.v1.RosterService/AssignDuties", &[D, O]),
    command("/registry.v1.RosterService/ReportAbsence", &[W, D, G, O]),
    command("/registry.v1.RosterService/ProposeSwap", &[W, D, G]),
    command("/registry.v1.RosterService/AnswerSwap", &[W, D, G]),
    query("/registry.v1.RosterService/ListGaps", ON_DUTY),
    command("/registry.v1.RoundService/PlanRound", &[D, O]),
    command("/registry.v1.RoundService/TickRound", &[W, D, G, H]),
    query("/registry.v1.RoundService/ListRounds", ON_DUTY),
    command("/screening.v1.ScreeningService/DraftMethod", &[D, O]),
    command("/screening.v1.ScreeningService/ApproveMethod", SIGNERS),
    command("/screening.v1.ScreeningService/PublishMethod", &[D, O]),
    query("/screening.v1.ScreeningService/GetMethod", &[W, D, O, H, G, U, A]),
    query("/screening.v1.MethodService/ListMethods", &[W, D, O, H, U, A]),
    query("/screening.v1.MethodService/CompareMethods", &[W, D, O, H, U, A]),
    query("/screening.v1.MethodService/DryRunMethod", SIGNERS).rate(Rate::Figures).within(600),
    // Its figures are the whole subdistrict's.
    query("/screening.v1.MethodService/GetRescreening", &[O, H, U, A]),
    query("/screening.v1.MethodService/ListSetAsideCases", &[W, D, O, H, U, A]),
    command("/screening.v1.ScreeningService/OpenCase", DESK),
    command("/screening.v1.ScreeningService/Declare", DESK),
    command("/screening.v1.ScreeningService/RecordItinerary", DESK),
    command("/screening.v1.ScreeningService/AssessCase", DESK),
    query("/screening.v1.ScreeningService/GetCase", STAFF),
    query("/screening.v1.ScreeningService/ListCases", STAFF),
    // A carrier may be slow.
    command("/screening.v1.CarrierService/RequestCode", DESK).rate(Rate::Person).within(30),
    command("/screening.v1.CarrierService/ScanNumber", DESK).rate(Rate::Person).within(30),
    query("/screening.v1.CarrierService/GetInquiry", STAFF),
    query("/screening.v1.CarrierService/ListWaitingNumbers", STAFF),
    command("/screening.v1.CarrierService/RecordEvidence", DESK),
    query("/screening.v1.CarrierService/ListEvidence", STAFF),
    command("/screening.v1.ScreeningService/DisputeCase", &[W, D, H]),
    command("/screening.v1.ScreeningService/ResolveDispute", SIGNERS),
    query("/screening.v1.DisputeService/ListDisputes", STAFF),
    query("/screening.v1.DisputeService/GetDispute", STAFF),
    query("/screening.v1.DisputeService/ListCarrierErrors", &[W, D, O, H, U, A]).rate(Rate::Figures),
    command("/screening.v1.OverrideService/ProposeOverride", CARERS),
    command("/screening.v1.OverrideService/ApproveOverride", SIGNERS),
    command("/screening.v1.OverrideService/DeclineOverride", STAFF),
    query("/screening.v1.OverrideService/GetOverride", STAFF),
    query("/screening.v1.OverrideService/ListOverrides", STAFF),
    query("/screening.v1.OverrideService/ListManualVerdicts", &[D, O, H, U]).rate(Rate::Figures),
    command("/screening.v1.VocabularyService/DecideName", STAFF),
    command("/screening.v1.VocabularyService/ConfirmName", SIGNERS),
    command("/screening.v1.VocabularyService/TakeBackName", SIGNERS),
    query("/screening.v1.VocabularyService/ListNameDecisions", &[W, D, O, H, U, A]),
    query("/screening.v1.VocabularyService/GetVocabulary", &[W, D, O, H, U, A]),
    command("/screening.v1.SessionService/OpenSession", DESK),
    command("/screening.v1.SessionService/CloseSession", DESK),
    query("/screening.v1.SessionService/GetSession", STAFF),
    query("/screening.v1.SessionService/ListSessions", STAFF),
    query("/screening.v1.SessionService/ListSessionCases", STAFF),
    command("/pass.v1.PassService/IssuePass", DESK),
    command("/pass.v1.PassService/SuspendPass", DESK),
    command("/pass.v1.PassService/ReinstatePass", DESK),
    command("/pass.v1.PassService/RevokePass", DESK),
    command("/pass.v1.PassService/RenewPass", DESK),
    command("/pass.v1.PassService/ReportLost", DESK),
    command("/pass.v1.PassService/ReplacePass", DESK),
    query("/pass.v1.PassService/GetHolder", STAFF),
    query("/pass.v1.PassService/ListHolders", STAFF),
    query("/pass.v1.PassService/CheckPass", &[G, W, D]).rate(Rate::Gate),
    command("/pass.v1.PassService/RecordCrossing", &[G, W, D]).rate(Rate::Gate),
    query("/pass.v1.PassService/ListCrossings", &[W, D]),
    query("/pass.v1.VerificationService/GetKeySet", VERIFIERS).rate(Rate::Gate),
    query("/pass.v1.VerificationService/GetSuspensionList", VERIFIERS).rate(Rate::Gate),
    query("/pass.v1.VerificationService/WatchSuspensionList", VERIFIERS).rate(Rate::Gate).within(86_400),
    command("/pass.v1.RecallService/RecallKey", &[D, O, H, A]),
    command("/pass.v1.RecallService/ConfirmKeyRecall", &[D, O, H, A]),
    command("/pass.v1.RecallService/DeclineKeyRecall", &[D, O, H, A]),
    command("/pass.v1.RecallService/RecallCompound", &[D, O]),
    command("/pass.v1.RecallService/LiftCompoundRecall", &[D, O]),
    query("/pass.v1.RecallService/ListRecalls", &[W, D, O, H, U, A]),
    command("/pass.v1.GateService/OpenEnrolment", DESK),
    // The one-time code is the proof.
    command("/pass.v1.GateService/EnrolDevice", &[]).rate(Rate::Attempt),
    query("/pass.v1.GateService/GetGate", &[G]).rate(Rate::Gate),
    query("/pass.v1.GateService/ListDevices", DESK),
    command("/pass.v1.GateService/RetireDevice", DESK),
    command("/pass.v1.GateService/RecordCrossings", &[G]).rate(Rate::Gate).up_to(MIB),
    query("/pass.v1.GateService/ListConflicts", DESK),
    query("/pass.v1.PresenceService/GetOccupancy", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/pass.v1.PresenceService/ListPresences", DESK),
    query("/pass.v1.PresenceService/GetGateHours", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/pass.v1.PresenceService/GetForecast", &[W, D, O, H, U]).rate(Rate::Figures),
    // Who may ask cannot confirm (ConfirmCase), and who may confirm cannot ask.
    command("/pass.v1.CoPresenceService/FindCoPresence", &[H]).rate(Rate::Person),
    query("/pass.v1.CoPresenceService/ListCoPresenceQueries", &[D, O, H, U]),
    command("/isolation.v1.ConfirmedCaseService/ReportCase", SIGNERS),
    command("/isolation.v1.ConfirmedCaseService/ConfirmCase", &[D, O]),
    command("/isolation.v1.ConfirmedCaseService/WithdrawCase", SIGNERS),
    query("/isolation.v1.ConfirmedCaseService/ListConfirmedCases", SIGNERS),
    command("/isolation.v1.IsolationService/ProposeOrder", &[W, D, H]),
    command("/isolation.v1.IsolationService/ApproveOrder", SIGNERS),
    command("/isolation.v1.IsolationService/RecordObservation", &[W, D, H]),
    command("/isolation.v1.IsolationService/HandOver", &[W, D, H]),
    command("/isolation.v1.IsolationService/Release", &[D, H]),
    query("/isolation.v1.IsolationService/GetOrder", STAFF),
    query("/isolation.v1.IsolationService/ListOrders", STAFF),
    query("/isolation.v1.ObservationService/ListTasks", STAFF),
    command("/isolation.v1.ObservationService/RecordObservations", &[W, D, H]).up_to(MIB),
    query("/isolation.v1.ObservationService/ListObservations", &[W, D, H]),
    command("/isolation.v1.ObservationService/OpenReportingCode", &[W, D, H]),
    // The short-lived code is the proof.
    command("/isolation.v1.ObservationService/ReportObservation", &[]).rate(Rate::Attempt),
    command("/isolation.v1.ObservationService/Acknowledge", &[W, D, H]),
    command("/isolation.v1.ObservationService/AssignOrder", &[W, D, H]),
    command("/isolation.v1.OrderLifeService/CheckHome", &[W, D, H]),
    command("/isolation.v1.OrderLifeService/ProveDayZero", &[W, D, H]),
    command("/isolation.v1.OrderLifeService/ProposeChange", &[W, D, H]),
    command("/isolation.v1.OrderLifeService/DecideChange", SIGNERS),
    command("/isolation.v1.OrderLifeService/MoveOrder", &[W, D, H]),
    command("/isolation.v1.OrderLifeService/ProposeTransfer", &[D, H]),
    command("/isolation.v1.OrderLifeService/DecideTransfer", &[W, D]),
    command("/isolation.v1.OrderLifeService/ReportSighting", &[G, W, D, H]),
    query("/isolation.v1.OrderLifeService/AssessRelease", STAFF),
    query("/isolation.v1.OrderLifeService/ListOrderHistory", STAFF),
    command("/isolation.v1.NeedService/AskForHelp", &[W, D, H, Role::Resident]),
    query("/isolation.v1.NeedService/ListNeeds", &[W, D, H, Role::Resident]),
    command("/isolation.v1.NeedService/ClaimNeed", CARERS),
    command("/isolation.v1.NeedService/CompleteNeed", CARERS),
    command("/isolation.v1.NeedService/ConfirmNeed", &[W, D, H, Role::Resident]),
    query("/isolation.v1.NeedService/ListEscalations", STAFF),
    query("/isolation.v1.NeedService/SuggestVolunteers", CARERS),
    query("/isolation.v1.NeedService/ListVolunteerStandings", STAFF),
    command("/isolation.v1.NeedService/SetNeedPlan", &[D, O]),
    query("/isolation.v1.NeedService/GetNeedPlan", STAFF),
    command("/isolation.v1.StockService/Donate", DESK),
    query("/isolation.v1.StockService/ListStock", STAFF),
    command("/isolation.v1.StockService/IssueSupplies", DESK),
    query("/isolation.v1.StockService/ListIssues", STAFF),
    query("/isolation.v1.StockService/ListShortages", STAFF),
    // To be hung out.
    query("/isolation.v1.StockService/ListThanks", &[W, D, O, H, G, U, A, Role::Resident]),
    query("/command.v1.CommandService/GetOverview", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/command.v1.CommandService/WatchOverview", &[W, D, O, H, U]).rate(Rate::Figures).within(86_400),
    query("/command.v1.CommandService/CompareOverviews", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/command.v1.CommandService/GetSeries", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/command.v1.CommandService/ListFigures", &[W, D, O, H, U]).rate(Rate::Figures),
    query("/command.v1.CommandService/ListCounted", STAFF).rate(Rate::Figures),
    query("/command.v1.CommandService/ListSupply", STAFF).rate(Rate::Figures),
    query("/command.v1.CommandService/Recount", &[O, U]).rate(Rate::Figures).within(600),
    command("/command.v1.CommandService/Rebuild", &[O, A]).rate(Rate::Figures).within(3_600),
    query("/command.v1.AlarmService/ListAlarms", &[D, O, H, U]),
    query("/command.v1.AlarmService/GetAlarm", &[D, O, H, U]),
    command("/command.v1.AlarmService/AcknowledgeAlarm", SIGNERS),
    command("/command.v1.AlarmService/AssignAlarm", SIGNERS),
    command("/command.v1.AlarmService/CloseAlarm", SIGNERS),
    query("/command.v1.AlarmService/GetAlarmRules", &[D, O, H, U]),
    command("/command.v1.AlarmService/SetAlarmRules", &[O, H]),
    command("/command.v1.ReportService/DefineForm", &[O]),
    query("/command.v1.ReportService/GetForm", &[W, D, O, H, U]),
    query("/command.v1.ReportService/ListForms", &[W, D, O, H, U]),
    query("/command.v1.ReportService/FillReport", &[W, D, O, H, U]).rate(Rate::Figures),
    command("/command.v1.ReportService/FileReport", &[W, D, O]),
    query("/command.v1.ReportService/GetReport", &[W, D, O, H, U]),
    query("/command.v1.ReportService/ListReports", &[W, D, O, H, U]),
    query("/command.v1.ReportService/ListQuestions", &[W, D, O, H, U]),
    command("/command.v1.ReportService/AnswerQuestion", &[W, D, O]),
];
