//! Who and what is where: neighbourhoods, compounds with their gates and regime, households with tenure and landlord,
//! residents with their sealed person, staff. Other services know a resident by id alone and copy the residence from this
//! log, so that they need not ask.

/// What is wrong and what to do, in both languages.
mod sentence;
/// What people type.
mod typing;
/// Numbers of identity documents.
pub mod identity;
/// Mobile numbers.
pub mod phone;
/// Buildings, units and rooms.
mod place;
/// A person as they come in and as they are kept.
mod person;
/// What a screen shows of a person.
pub mod mask;
/// Workbooks of residents.
pub mod workbook;
/// State, events, refusals, decisions, evolve of each aggregate.
pub mod domain;
