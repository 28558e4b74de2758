//! A circuit breaker: a replica that fails again and again is left alone for a while, then tried by one request.
//!
//! Pure: time and chance come from the caller. It knows failures of the device only, and not that a token is away: that a token says of
//! itself (see `health`).

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 3;
/// How long it stays open at first, at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long it stays open after many trials, at most; and how long a trial may take before another one may begin.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One breaker, closed at first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Breaker(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, trials: u32 },
    HalfOpen { until: Instant, trials: u32 },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What a breaker says of its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is used.
    Closed,
    /// It failed again and again, and is not used.
    Open,
    /// It failed again and again, and one request tries it.
    HalfOpen,
}

impl Breaker {
    /// Whether a request may use the replica now.
    pub(crate) fn permits(&self, now: Instant) -> bool {
        match self.0 {
            State::Closed { .. } => true,
            State::Open { until, .. } | State::HalfOpen { until, .. } => now >= until,
        }
    }

    /// A request uses the replica; where the breaker was open and the pause is over, this is the trial.
    pub(crate) fn begin(&mut self, now: Instant) {
        if let State::Open { until, trials } | State::HalfOpen { until, trials } = self.0
            && now >= until
        {
            // A trial that hangs in a vendor's library never ends.
            self.0 = State::HalfOpen { until: now + LONGEST_PAUSE, trials };
        }
    }

    /// The replica signed.
    pub(crate) fn succeeded(&mut self) {
        self.0 = State::default();
    }

    /// The device failed. `chance`, from 0 to 1, shortens the pause to between half and all of it, so that not every node comes back at
    /// the same moment.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) {
        let open = |trials: u32| {
            let pause = FIRST_PAUSE.saturating_mul(1 << trials.min(16)).min(LONGEST_PAUSE);
            State::Open {
                until: now + pause.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0)),
                trials: trials.saturating_add(1),
            }
        };
        self.0 = match self.0 {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Closed { .. } => open(0),
            State::HalfOpen { trials, .. } => open(trials),
            // Asked because no other replica was left; the pause goes on.
            open @ State::Open { .. } => open,
        };
    }

    /// The request ended and says nothing of the device; after a trial the next request may be one.
    pub(crate) fn undecided(&mut self, now: Instant) {
        if let State::HalfOpen { trials, .. } = self.0 {
            self.0 = State::Open { until: now, trials };
        }
    }

    /// What it says of its replica.
    pub(crate) const fn verdict(&self) -> Verdict {
        match self.0 {
            State::Closed { .. } => Verdict::Closed,
            State::Open { .. } => Verdict::Open,
            State::HalfOpen { .. } => Verdict::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A breaker that has opened just now, with the longest pause, and the clock it opened at.
    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            assert!(breaker.permits(now));
            breaker.begin(now);
            breaker.failed(now, 1.0);
        }
        assert_eq!(breaker.verdict(), Verdict::Open);
        (breaker, now)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_after_as_many_with_a_success_between() {
        opened();
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            breaker.failed(now, 1.0);
            breaker.failed(now, 1.0);
            breaker.succeeded();
        }
        assert_eq!(breaker.verdict(), Verdict::Closed);
    }

    #[test]
    fn after_the_pause_one_request_tries_and_closes_it() {
        let (mut breaker, now) = opened();
        assert!(!breaker.permits(now + FIRST_PAUSE - Duration::from_millis(1)));
        let later = now + FIRST_PAUSE;
        assert!(breaker.permits(later));
        breaker.begin(later);
        assert_eq!(breaker.verdict(), Verdict::HalfOpen);
        assert!(!breaker.permits(later), "one trial at a time");
        breaker.succeeded();
        assert_eq!(breaker.verdict(), Verdict::Closed);
        assert!(breaker.permits(later));
    }

    #[test]
    fn each_trial_that_fails_doubles_the_pause_up_to_the_longest() {
        let (mut breaker, mut now) = opened();
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            let pause = Duration::from_secs(seconds);
            assert!(!breaker.permits(now + pause - Duration::from_millis(1)), "{seconds}");
            now += pause;
            assert!(breaker.permits(now), "{seconds}");
            breaker.begin(now);
            breaker.failed(now, 1.0);
        }
    }

    #[test]
    fn chance_shortens_the_pause_to_no_less_than_half() {
        for (chance, milliseconds) in [(0.0, 500), (0.5, 750), (1.0, 1000), (-7.0, 500)] {
            let (mut breaker, now) = (Breaker::default(), Instant::now());
            (0..FAILURES).for_each(|_| breaker.failed(now, chance));
            assert!(!breaker.permits(now + Duration::from_millis(milliseconds - 1)), "{chance}");
            assert!(breaker.permits(now + Duration::from_millis(milliseconds)), "{chance}");
        }
    }

    #[test]
    fn a_trial_that_says_nothing_or_hangs_makes_room_for_another() {
        let (mut breaker, now) = opened();
        let later = now + FIRST_PAUSE;
        breaker.begin(later);
        breaker.undecided(later);
        assert_eq!(breaker.verdict(), Verdict::Open);
        assert!(breaker.permits(later));
        breaker.begin(later);
        assert!(!breaker.permits(later + LONGEST_PAUSE - Duration::from_millis(1)));
        assert!(breaker.permits(later + LONGEST_PAUSE));
    }

    #[test]
    fn asking_it_for_want_of_another_replica_does_not_lengthen_the_pause() {
        let (mut breaker, now) = opened();
        for _ in 0..20 {
            breaker.begin(now);
            breaker.failed(now, 1.0);
        }
        assert!(breaker.permits(now + FIRST_PAUSE));
        breaker.succeeded();
        assert_eq!(breaker.verdict(), Verdict::Closed, "a signature is the best proof");
    }
}
