//! Who has started this process, and whether that one still lives.

use std::time::Duration;

use rustix::process::{Pid, getppid};

/// A process that ends closes its connections first: so long after a client has gone, its starter is looked for.
const LINGER: Duration = Duration::from_secs(1);

/// Whether our starter, which is our parent as long as it lives, ends about now. One that had left us to ourselves before is
/// not waited for.
pub(super) async fn has_gone(starter: Option<Pid>) -> bool {
    let mut pause = Duration::from_millis(1);
    while pause < LINGER {
        if getppid() != starter {
            return true;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_starter_that_lives_is_no_reason_to_go() {
        assert!(!has_gone(getppid()).await);
        assert!(has_gone(Pid::from_raw(i32::MAX)).await, "somebody else is our parent now");
    }
}
