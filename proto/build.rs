//! Compiles the protos without protoc, keeps the descriptor set for reflection, and writes the glue between an
//! aggregate's events and the bytes in the log (`Fact`), so that nobody has to keep a list of event types by hand.

use std::{env, error::Error, fmt::Write as _, fs, path::PathBuf};

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

const FILES: &[&str] = &[
    "access/v1/access.proto",
    "command/v1/alarms.proto",
    "command/v1/command.proto",
    "command/v1/command_events.proto",
    "command/v1/reports.proto",
    "event/v1/envelope.proto",
    "event/v1/event_log.proto",
    "isolation/v1/confirmed_cases.proto",
    "isolation/v1/isolation.proto",
    "isolation/v1/isolation_events.proto",
    "pass/v1/co_presence.proto",
    "isolation/v1/life.proto",
    "isolation/v1/observations.proto",
    "isolation/v1/needs.proto",
    "isolation/v1/supplies.proto",
    "pass/v1/gates.proto",
    "pass/v1/pass.proto",
    "pass/v1/pass_events.proto",
    "pass/v1/presence.proto",
    "pass/v1/recalls.proto",
    "pass/v1/verification.proto",
    "registry/v1/corrections.proto",
    "registry/v1/duplicates.proto",
    "registry/v1/grids.proto",
    "registry/v1/imports.proto",
    "registry/v1/registry.proto",
    "registry/v1/registry_events.proto",
    "registry/v1/roster.proto",
    "registry/v1/visits.proto",
    "registry/v1/volunteers.proto",
    "screening/v1/carriers.proto",
    "screening/v1/disputes.proto",
    "screening/v1/methods.proto",
    "screening/v1/overrides.proto",
    "screening/v1/screening.proto",
    "screening/v1/screening_events.proto",
    "screening/v1/sessions.proto",
    "screening/v1/statements.proto",
    "screening/v1/vocabulary.proto",
];

/// Messages with personal fields, and requests that carry them.
const PERSONAL: &[&str] = &[
    "registry.v1.Person",
    "registry.v1.IdentityDocument",
    "registry.v1.Landlord",
    "registry.v1.Phones",
    "registry.v1.Return",
    "registry.v1.CorrectResidentRequest",
    "registry.v1.FindResidentsRequest",
    "registry.v1.EnrolStaffRequest",
    "registry.v1.ImportHouseholdsRequest",
    "registry.v1.ImportPlacesRequest",
    "registry.v1.OccupantsNote",
    "registry.v1.UnknownOccupants",
    "registry.v1.RecordVisitRequest",
    "registry.v1.KeyReasons",
    "registry.v1.KeyPerson",
    "registry.v1.FlagKeyPersonRequest",
    "registry.v1.Thanks",
    "pass.v1.Phone",
    "screening.v1.DeclaredStay",
    "screening.v1.Declaration",
    "screening.v1.Visit",
    "screening.v1.Itinerary",
    "screening.v1.JudgedVisit",
    "screening.v1.Explanation",
    "screening.v1.Reasons",
    "screening.v1.Statement",
    "screening.v1.DisputeCaseRequest",
    "screening.v1.ResolveDisputeRequest",
    "screening.v1.Dispute",
    "screening.v1.Proof",
    "screening.v1.Escalation",
    "screening.v1.Override",
    "screening.v1.ProposeOverrideRequest",
    "screening.v1.DeclineOverrideRequest",
    "screening.v1.Attestation",
    "screening.v1.Evidence",
    "screening.v1.ListEvidenceResponse",
    "screening.v1.Page",
    "screening.v1.Paper",
    "screening.v1.Permission",
    "screening.v1.RecordEvidenceRequest",
    "screening.v1.RequestCodeRequest",
    "screening.v1.ScanNumberRequest",
    "screening.v1.Ticket",
    "isolation.v1.Vitals",
    "isolation.v1.RecordObservationRequest",
    "isolation.v1.AcknowledgeRequest",
    "isolation.v1.Observation",
    "isolation.v1.ProposeChangeRequest",
    "isolation.v1.Reading",
    "isolation.v1.Remark",
    "isolation.v1.ReportObservationRequest",
    "isolation.v1.ReportSightingRequest",
    "isolation.v1.ReportingCode",
    "isolation.v1.Need",
    "isolation.v1.NeedNote",
    "isolation.v1.AskForHelpRequest",
    "isolation.v1.Giver",
    "isolation.v1.Donation",
    "isolation.v1.DonateRequest",
    "access.v1.Token",
    "access.v1.ClaimAdministratorRequest",
    "pass.v1.Enrolment",
    "pass.v1.EnrolDeviceRequest",
    "pass.v1.Gate",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    fs::write(out.join("facts.rs"), facts(&descriptors))?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    // Personal messages print as their name alone: see `redacted!` in lib.rs.
    config.skip_debug(PERSONAL);
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// One `impl Fact` for each aggregate of each `<service>_events.proto`.
fn facts(descriptors: &FileDescriptorSet) -> String {
    let mut code = String::new();
    for file in &descriptors.file {
        for envelope in &file.message_type {
            if envelope.oneof_decl.first().is_some_and(|oneof| oneof.name() == "aggregate") {
                for field in &envelope.field {
                    fact(&mut code, file, envelope, field.name());
                }
            }
        }
    }
    code
}

fn fact(code: &mut String, file: &FileDescriptorProto, envelope: &DescriptorProto, category: &str) {
    let log = file.package().split('.').next().expect("every file has a package");
    let module = file.package().replace('.', "::");
    let aggregate = format!("{}Event", camel(category));
    let message = file
        .message_type
        .iter()
        .find(|message| message.name() == aggregate)
        .unwrap_or_else(|| panic!("the aggregate {category} needs a message {aggregate}"));
    let events = format!("crate::{module}::{category}_event::Event");
    let outer = format!("crate::{module}::{}", envelope.name());
    let choice = format!("crate::{module}::{}::Aggregate::{}", snake(envelope.name()), camel(category));
    let names = message.field.iter().fold(String::new(), |mut names, field| {
        let _ = write!(names, "Self::{}(_) => \"{category}.{}\", ", camel(field.name()), field.name());
        names
    });
    let _ = write!(
        code,
        "impl crate::Fact for {events} {{
    const LOG: &'static str = \"{log}\";
    const CATEGORY: &'static str = \"{category}\";
    fn type_name(&self) -> &'static str {{ match self {{ {names} }} }}
    fn to_payload(&self) -> Vec<u8> {{
        prost::Message::encode_to_vec(&{outer} {{
            aggregate: Some({choice}(crate::{module}::{aggregate} {{ event: Some(self.clone()) }})),
        }})
    }}
    fn from_payload(payload: &[u8]) -> Result<Self, crate::UnreadableFact> {{
        let outer = <{outer} as prost::Message>::decode(payload)?;
        match outer.aggregate {{
            Some({choice}(inner)) => inner.event.ok_or(crate::UnreadableFact::Unknown(\"{category}\")),
            _ => Err(crate::UnreadableFact::Unknown(\"{category}\")),
        }}
    }}
}}
"
    );
}

fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
