use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand};
use proto::registry::v1::{
    Availability, EnrolVolunteerRequest, ListVolunteersRequest, RecordServiceRequest, RetireVolunteerRequest,
    ThankVolunteerRequest, UpdateVolunteerRequest, VolunteerProfile, VolunteerSkill, VolunteerWork,
    volunteer_service_client::VolunteerServiceClient,
};

use crate::{
    desk::{
        ask::{Act, Ask, Listing, Place},
        typed,
    },
    output::print,
    paper::{self, Paper},
};

/// What a letter says, and where on the page.
mod letter;

#[derive(Subcommand)]
pub enum Command {
    /// Enrols a resident who helps
    #[command(
        after_help = "Example:\n  mifeng volunteer enrol 019c31 --skill carrying,driving --floor 4 --dialect 宁波话 --time \
                            6:09:00-12:00 --time 0:18:00-21:00"
    )]
    Enrol {
        #[arg(value_parser = typed::name("residents"))]
        resident: String,
        #[command(flatten)]
        profile: Profile,
        #[command(flatten)]
        act: Act,
    },
    /// What they can and when they have time, from now on
    #[command(after_help = "Example:\n  mifeng volunteer update 019c70 --skill listening --time 0:08:00-20:00")]
    Update {
        #[arg(value_parser = typed::name("volunteers"))]
        volunteer: String,
        #[command(flatten)]
        profile: Profile,
        /// The version that was read; by default whatever it is
        #[arg(long, default_value = "", hide_default_value = true)]
        etag: String,
        #[command(flatten)]
        act: Act,
    },
    /// Goes on no more; what was done stays on record
    #[command(after_help = "Example:\n  mifeng volunteer retire 019c70")]
    Retire {
        #[arg(value_parser = typed::name("volunteers"))]
        volunteer: String,
        #[command(flatten)]
        act: Act,
    },
    /// Puts time on record that was given outside of needs
    #[command(after_help = "Example:\n  mifeng volunteer served 019c70 temperature --date 2020-02-11 --minutes 180")]
    Served {
        #[arg(value_parser = typed::name("volunteers"))]
        volunteer: String,
        #[arg(value_parser = typed::word(VolunteerWork::as_str_name))]
        work: VolunteerWork,
        #[arg(long, value_parser = typed::date, value_name = "DAY")]
        date: NaiveDate,
        #[arg(long)]
        minutes: i32,
        #[command(flatten)]
        act: Act,
    },
    /// Volunteers, whether their own screening is clear, and what they have given
    #[command(after_help = "Example:\n  mifeng volunteer list --cleared")]
    List {
        #[command(flatten)]
        place: Place,
        /// Only those who may help
        #[arg(long)]
        cleared: bool,
        #[command(flatten)]
        listing: Listing,
        #[command(flatten)]
        ask: Ask,
    },
    /// A thank-you letter with the hours
    #[command(after_help = "Example:\n  mifeng volunteer thank 019c70 --to thanks.pdf")]
    Thank {
        #[arg(value_parser = typed::name("volunteers"))]
        volunteer: String,
        /// An A4 page, .html or .pdf; by default what it says is shown
        #[arg(long = "to", value_name = "FILE", value_parser = paper::file)]
        file: Option<PathBuf>,
        /// With Chinese characters, for a PDF; by default one of the machine's
        #[arg(long, value_name = "FILE")]
        font: Option<PathBuf>,
        #[command(flatten)]
        act: Act,
    },
}

#[derive(Args)]
pub struct Profile {
    /// As often as needed
    #[arg(long = "skill", value_parser = typed::word(VolunteerSkill::as_str_name), value_delimiter = ',')]
    skills: Vec<VolunteerSkill>,
    /// 幢; by default where they live
    #[arg(long, default_value = "", hide_default_value = true)]
    building: String,
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    floor: i32,
    /// As often as needed
    #[arg(long = "dialect")]
    dialects: Vec<String>,
    /// A part of each week: 6:09:00-12:00 on Saturdays, 0:18:00-21:00 every day; as often as needed
    #[arg(long = "time", value_parser = availability, value_name = "WEEKDAY:FROM-TO")]
    times: Vec<Availability>,
}

impl From<Profile> for VolunteerProfile {
    fn from(profile: Profile) -> Self {
        let Profile { skills, building, floor, dialects, times } = profile;
        let skills = skills.into_iter().map(i32::from).collect();
        Self { skills, building, floor, dialects, availability: times }
    }
}

fn availability(typed: &str) -> Result<Availability, String> {
    let wrong =
        || format!("{typed:?} is no part of a week: write 6:09:00-12:00 for Saturdays, 0:18:00-21:00 for every day");
    let (weekday, span) = typed.split_once(':').ok_or_else(wrong)?;
    let (from, to) = span.split_once('-').ok_or_else(wrong)?;
    let weekday = weekday.parse().ok().filter(|day| (0..=7).contains(day)).ok_or_else(wrong)?;
    let (from_minute, to_minute) = (typed::minute(from)?, typed::minute(to)?);
    if from_minute >= to_minute {
        return Err(wrong());
    }
    Ok(Availability { weekday, from_minute, to_minute })
}

impl Command {
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Enrol { resident, profile, act } => {
                let enrolled = act.send(async |connection, request_id| {
                    let request = EnrolVolunteerRequest { request_id, resident, profile: Some(profile.into()) };
                    VolunteerServiceClient::new(connection).enrol_volunteer(request).await
                });
                act.show(&enrolled.await?)
            }
            Self::Update { volunteer, profile, etag, act } => {
                let updated = act.send(async |connection, request_id| {
                    let profile = Some(profile.into());
                    let request = UpdateVolunteerRequest { request_id, name: volunteer, profile, etag };
                    VolunteerServiceClient::new(connection).update_volunteer(request).await
                });
                act.show(&updated.await?)
            }
            Self::Retire { volunteer, act } => {
                let retired = act.send(async |connection, request_id| {
                    let request = RetireVolunteerRequest { request_id, name: volunteer };
                    VolunteerServiceClient::new(connection).retire_volunteer(request).await
                });
                act.show(&retired.await?)
            }
            Self::Served { volunteer, work, date, minutes, act } => {
                let served = act.send(async |connection, request_id| {
                    let (work, date) = (work.into(), date.to_string());
                    let request = RecordServiceRequest { request_id, volunteer, work, date, minutes };
                    VolunteerServiceClient::new(connection).record_service(request).await
                });
                act.show(&served.await?)
            }
            Self::List { place, cleared, listing, ask } => {
                let parent = place.parent();
                let mut client = VolunteerServiceClient::new(ask.connection()?);
                let all = listing.collect(async |page_size, page_token| {
                    let cleared_only = cleared;
                    let request = ListVolunteersRequest { parent: parent.clone(), cleared_only, page_size, page_token };
                    let page = client.list_volunteers(request).await?.into_inner();
                    Ok((page.volunteers, page.next_page_token))
                });
                let columns = [
                    "name",
                    "masked_name",
                    "clearance",
                    "profile.skills",
                    "profile.building",
                    "profile.dialects",
                    "minutes",
                    "times",
                    "retired",
                ];
                listing.show(&ask, &all.await?, &columns)
            }
            Self::Thank { volunteer, file, font, act } => thank(volunteer, file, font, &act).await,
        }
    }
}

async fn thank(volunteer: String, file: Option<PathBuf>, font: Option<PathBuf>, act: &Act) -> anyhow::Result<()> {
    // What is in the way of the file is found before the letter is on record as given.
    let paper = file.as_deref().map(|path| Paper::prepare(path, font.as_deref())).transpose()?;
    let thanks = act.send(async |connection, request_id| {
        let request = ThankVolunteerRequest { request_id, volunteer };
        VolunteerServiceClient::new(connection).thank_volunteer(request).await
    });
    let thanks = thanks.await?;
    let (Some(paper), Some(file)) = (paper, file) else { return act.show(&thanks) };
    paper.write("感谢信", &[letter::page(&thanks)])?;
    print(&format!("one page written to {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_week_is_a_weekday_and_two_times() {
        let part = availability("6:09:00-12:30").unwrap();
        assert_eq!((part.weekday, part.from_minute, part.to_minute), (6, 540, 750));
        assert_eq!(availability("0:00:00-24:00").unwrap().to_minute, 1_440);
        for wrong in ["", "6", "8:09:00-12:00", "6:12:00-09:00", "6:9-12", "6:09:00"] {
            assert!(availability(wrong).is_err(), "{wrong}");
        }
    }
}
