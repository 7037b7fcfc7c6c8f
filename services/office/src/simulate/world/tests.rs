use super::*;

fn world(people: u32) -> World {
    World::new(7, Numbers::of_people(people))
}

#[test]
fn the_same_seed_makes_the_same_world_and_another_one_another() {
    let told = |world: &World| -> Vec<String> {
        world.people.iter().map(|one| format!("{}{}{}", one.home, one.name, one.document)).collect()
    };
    assert_eq!(told(&world(2_000)), told(&world(2_000)));
    assert_ne!(told(&world(2_000)), told(&World::new(8, Numbers::of_people(2_000))));
}

#[test]
fn everybody_has_a_home_a_document_and_numbers_of_their_own() {
    let world = world(6_000);
    assert_eq!((world.people.len(), world.homes.len(), world.compounds.len()), (6_000, 2_400, 3));
    let documents: HashSet<_> = world.people.iter().map(|one| &one.document).collect();
    let phones: Vec<_> = world.people.iter().flat_map(|one| &one.phones).collect();
    assert_eq!(documents.len(), 6_000);
    assert_eq!(phones.iter().collect::<HashSet<_>>().len(), phones.len());
    for (index, home) in world.homes.iter().enumerate() {
        let shown: HashSet<_> =
            world.people[home.people.clone()].iter().map(|one| super::shown(&one.document)).collect();
        assert_eq!(shown.len(), home.people.len());
        let names: HashSet<_> = world.people[home.people.clone()].iter().map(|one| &one.name).collect();
        assert_eq!(names.len(), home.people.len(), "two of one name in one room");
        assert!(world.people[home.people.clone()].iter().all(|one| one.home == index));
    }
    let rooms: HashSet<_> = world.homes.iter().map(|h| (h.compound, h.building, h.unit, h.room)).collect();
    assert_eq!(rooms.len(), world.homes.len());
}

#[test]
fn compounds_have_one_to_four_gates_and_names_of_their_own() {
    let world = World::new(3, Numbers { people: 100, households: 80, ..Numbers::default() });
    assert_eq!((world.neighbourhoods.len(), world.compounds.len()), (25, 80));
    assert!(world.compounds.iter().all(|compound| (1..=4).contains(&compound.gates.len())));
    let names: HashSet<_> = world.compounds.iter().map(|compound| (compound.neighbourhood, &compound.name)).collect();
    assert_eq!(names.len(), 80);
    let computers = (0..world.gates.len()).filter(|gate| world.has_computer(*gate)).count();
    assert_eq!(computers, 40);
}

#[test]
fn each_person_is_screened_once() {
    let world = world(1_000);
    let mut screened: Vec<u32> = world.first_wave().to_vec();
    assert_eq!(screened.len(), 160);
    for day in 0..60 {
        screened.extend(world.back_on(day));
    }
    assert_eq!(world.back_on(0).len(), 20);
    assert_eq!(screened.len(), 1_000);
    assert_eq!(screened.iter().collect::<HashSet<_>>().len(), 1_000);
}
