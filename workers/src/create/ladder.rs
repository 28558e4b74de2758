//! How far up the levels a signature gets: what an outage may cost, and what nothing may (promise 7).

use crate::error::WorkerError;
use crate::level::SignatureLevel;

/// The way from B-B to the level asked for.
pub(super) struct Ladder {
    goal: SignatureLevel,
    minimum: SignatureLevel,
    reached: SignatureLevel,
    outage: Option<String>,
}

impl Ladder {
    pub(super) const fn new(goal: SignatureLevel, minimum: SignatureLevel) -> Self {
        Self { goal, minimum, reached: SignatureLevel::BaselineB, outage: None }
    }

    /// Whether this level is still to be reached.
    pub(super) fn goes_to(&self, level: SignatureLevel) -> bool {
        self.outage.is_none() && self.goal >= level
    }

    /// Takes the step to this level, if it is on the way. A failure that is an outage of others, and that alone, ends the way
    /// where it is when that is high enough: the step gives nothing then.
    pub(super) fn climb<T>(
        &mut self,
        level: SignatureLevel,
        step: impl FnOnce() -> Result<T, WorkerError>,
    ) -> Result<Option<T>, WorkerError> {
        if !self.goes_to(level) {
            return Ok(None);
        }
        match step() {
            Ok(taken) => {
                self.reached = level;
                Ok(Some(taken))
            }
            Err(error) if error.is_outage() && self.reached >= self.minimum => {
                tracing::warn!("level {} instead of {}: {error}", self.reached, self.goal);
                self.outage = Some(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The level the signature has now.
    pub(super) const fn reached(&self) -> SignatureLevel {
        self.reached
    }

    /// The outage that ended the way.
    pub(super) fn outage(self) -> Option<String> {
        self.outage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::TimestampError;

    const B: SignatureLevel = SignatureLevel::BaselineB;
    const T: SignatureLevel = SignatureLevel::BaselineT;
    const LT: SignatureLevel = SignatureLevel::BaselineLt;

    fn outage() -> WorkerError {
        TimestampError::Unavailable { authority: "tsa".into(), reason: "silence".into() }.into()
    }

    #[test]
    fn an_outage_lowers_the_level_to_the_minimum_and_says_so() {
        let mut ladder = Ladder::new(LT, B);
        assert!(matches!(ladder.climb(T, || Err::<(), _>(outage())), Ok(None)));
        assert!(matches!(
            ladder.climb(LT, || -> Result<(), _> { panic!("above an outage there is nothing") }),
            Ok(None)
        ));
        assert_eq!(ladder.reached(), B);
        assert!(ladder.outage().unwrap().contains("tsa"));
    }

    #[test]
    fn an_outage_below_the_minimum_fails() {
        assert!(Ladder::new(LT, T).climb(T, || Err::<(), _>(outage())).is_err());
        let mut ladder = Ladder::new(LT, T);
        ladder.climb(T, || Ok(())).unwrap();
        assert!(matches!(ladder.climb(LT, || Err::<(), _>(outage())), Ok(None)));
    }

    #[test]
    fn a_refusal_or_a_wrong_answer_never_lowers_the_level() {
        let (authority, reason) = (String::from("tsa"), String::from("because"));
        let answers = [
            TimestampError::Refused { authority: authority.clone(), reason: reason.clone() },
            TimestampError::Invalid { authority, reason },
        ];
        for answer in answers {
            assert!(Ladder::new(T, B).climb(T, || Err::<(), _>(answer.into())).is_err());
        }
    }
}
