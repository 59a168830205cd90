//! Where the samples of a key go.

use std::sync::Arc;

use crate::mapping::{Conversion, TagErrors};
use crate::metric::Lent;
use crate::registry::Series;
use crate::reject::Reject;
use crate::sync::AtomicU64;

/// Where the samples of a key go: decided by the [`Resolver`](super::Resolver), remembered by a route cache, which lends
/// it as a [`RouteRef`].
#[derive(Clone, Copy, Debug)]
pub enum Route<S = Arc<Series>, P = Plan> {
    /// Each sample updates this series.
    Apply {
        /// The series.
        series: S,
        /// How.
        plan: P,
    },
    /// Each sample updates the overflow series of its family, because a series of its own would be over a limit.
    Overflow {
        /// The overflow series.
        series: S,
        /// How.
        plan: P,
        /// Which limit.
        limit: Reject,
    },
    /// Each sample is dropped, because a rule says so.
    Drop,
    /// Each sample is rejected, whatever its value.
    Reject(Reject),
}

/// A borrowed [`Route`].
pub type RouteRef<'a> = Route<&'a Arc<Series>, &'a Plan>;

/// A route that holds for good, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum KnownRoute<'a> {
    /// Each sample updates this series.
    Apply { series: &'a Arc<Series>, plan: &'a Plan },
    /// Each sample updates these values in an arena, and the times of their slot.
    Lent { cells: Lent, times: &'a AtomicU64, plan: &'a Plan },
    /// Each sample is dropped.
    Drop,
}

/// How a sample updates its series, and what else is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Makes an update of the sample's value.
    pub conversion: Conversion,
    /// The tags of the line that were left out or mended; counted for each line of which a sample is applied.
    pub tag_errors: TagErrors,
    /// Whether no rule matched.
    pub is_unmapped: bool,
}

impl Route {
    /// Whether no rule matched.
    pub(super) fn is_unmapped(&self) -> bool {
        matches!(self, Self::Apply { plan, .. } | Self::Overflow { plan, .. } if plan.is_unmapped)
    }

    /// Borrows the route.
    pub fn as_ref(&self) -> RouteRef<'_> {
        match self {
            Self::Apply { series, plan } => Route::Apply { series, plan },
            Self::Overflow { series, plan, limit } => Route::Overflow { series, plan, limit: *limit },
            Self::Drop => Route::Drop,
            Self::Reject(reject) => Route::Reject(*reject),
        }
    }
}
