//! Given a history, when decided, then these events. Each accepted decision is made again on its own outcome and must
//! find nothing left to do.

use std::fmt::Debug;

use chassis::Aggregate;

pub(crate) struct Given<'a, E>(&'a [E]);

pub(crate) const fn given<E>(history: &[E]) -> Given<'_, E> {
    Given(history)
}

impl<E> Given<'_, E> {
    fn then<A: Aggregate<Event = E>>(&self) -> A {
        let mut state = A::default();
        for event in self.0 {
            state.evolve(event);
        }
        state
    }

    pub(crate) fn when<A, X>(&self, decide: impl Fn(&A) -> Result<Vec<E>, X>) -> Result<Vec<E>, X>
    where
        A: Aggregate<Event = E>,
        E: Debug + PartialEq,
        X: Debug + PartialEq,
    {
        let mut state: A = self.then();
        let events = decide(&state)?;
        for event in &events {
            state.evolve(event);
        }
        assert_eq!(decide(&state), Ok(Vec::new()), "decided again on its own outcome");
        Ok(events)
    }
}
