//! A worker's own cache, which only the sweeper and a reload lock too: from the raw bytes that identify a series to where its samples go.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::key::{Key, KeyHasher};
use super::route::{KnownRoute, Plan, Route, RouteRef};
use super::slots::{RouteId, Slots};
use crate::metric::{Counter, Gauge, Lent, MemoryBudget, MetricType};
use crate::parse::HashSecret;
use crate::prefetch::prefetch;
use crate::registry::{InArena, Registry, Series};
use crate::reject::Reject;
use crate::sync::AtomicU64;

/// Routes by key, each in one cache line with its key.
///
/// When the cache is full, a new route to a series of its own evicts an old route, which can be resolved again. Other new
/// routes are not kept then, because a flood of keys that are over a limit, dropped or rejected must not cost the series
/// their routes.
#[derive(Debug)]
pub(super) struct RouteCache {
    slots: Slots,
    entries: Vec<Entry>,
    /// The owner of each entry that has one. Without an arena, no entry has one, and this stays empty.
    owners: Vec<Option<Owner>>,
    plans: Plans,
    hasher: KeyHasher,
    budget: MemoryBudget,
    max_routes: usize,
    /// Whether values of series are in an arena.
    has_arena: bool,
    /// Bytes of all keys that are too long for their entry.
    long_key_bytes: usize,
    /// The index from which the next victim is taken when the cache is full.
    victim: usize,
}

/// A key and its route.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    /// The lengths of the key's parts, and its type: see [`Key::shape`].
    shape: u64,
    key: KeyBytes,
    route: Stored,
}

/// The parts of a key, one after the other.
#[derive(Debug)]
enum KeyBytes {
    Short([u8; SHORT]),
    Long(Box<[u8]>),
}

/// How many bytes of key an entry holds.
const SHORT: usize = 39;

/// A [`Route`] as an entry keeps it.
///
/// A route to a counter or a gauge in an arena leads to its values and past the series, which is its [`Owner`].
///
/// `as_of` says how many series had expired when the route was resolved. What a route owes to other series (a limit, a
/// conflict) holds until one of them expires.
#[derive(Debug)]
#[repr(u8)]
enum Stored {
    // The type is in the same place of each, so that reading it takes no branch.
    Apply { metric_type: MetricType, has_ttl: bool, plan: PlanId, rule: RuleIndex, series: Arc<Series> },
    Counter { metric_type: MetricType, plan: PlanId, numbers: &'static [AtomicU64; 1 + Counter::NUMBERS] },
    Gauge { metric_type: MetricType, plan: PlanId, numbers: &'static [AtomicU64; 1 + Gauge::NUMBERS] },
    Overflow { limit: Reject, plan: PlanId, as_of: u32, series: Arc<Series> },
    Drop { rule: RuleIndex },
    Reject { reject: Reject, as_of: u32 },
}

/// The series whose values a route leads to.
#[derive(Debug)]
struct Owner {
    series: Arc<Series>,
    has_ttl: bool,
    rule: RuleIndex,
}

/// The index of the rule that matches a key. It says whose lines these are, and an entry has no room for more rules.
#[derive(Clone, Copy, Debug)]
struct RuleIndex(u16);

impl RuleIndex {
    const NONE: Self = Self(u16::MAX);

    fn new(rule: Option<usize>) -> Self {
        rule.and_then(|rule| u16::try_from(rule).ok()).map_or(Self::NONE, Self)
    }

    fn get(self) -> Option<usize> {
        (self.0 != Self::NONE.0).then_some(self.0.into())
    }
}

/// How many bytes of long keys the cache holds for each route that it may have.
const KEY_BYTES: usize = 256;

/// The longest key that is kept without a series of its own, in bytes. To resolve a longer one again costs little beside
/// reading it, and a flood of them would take the memory of the series.
const LONGEST_WITHOUT_SERIES: usize = 1024;

/// How many entries [`RouteCache::forget_due`] looks at.
pub(super) const FORGET_CHUNK: usize = 1024;

/// How many classes of routes there are by what a sample updates: one for each metric type, and one for nothing.
pub(super) const CLASSES: usize = NO_SERIES + 1;
const NO_SERIES: usize = MetricType::ALL.len();

impl RouteCache {
    /// An empty cache for a registry of at most `series` series, each of which may come under two spellings. It grows as long
    /// as `budget` has room.
    pub(super) fn new(series: usize, budget: MemoryBudget) -> Self {
        Self {
            slots: Slots::new(),
            entries: Vec::new(),
            owners: Vec::new(),
            plans: Plans::default(),
            hasher: KeyHasher::new(),
            budget,
            // 2^24 routes: their indexes fit a slot with room to spare.
            max_routes: series.saturating_mul(2).clamp(1024, 1 << 24),
            has_arena: false,
            long_key_bytes: 0,
            victim: 0,
        }
    }

    /// An empty cache of routes to the series of `registry`.
    pub(super) fn of(registry: &Registry) -> Self {
        Self { has_arena: registry.has_arena(), ..Self::new(registry.limit(), registry.budget()) }
    }

    /// Whether values of series are in an arena.
    #[inline(always)]
    pub(super) fn has_arena(&self) -> bool {
        self.has_arena
    }

    /// The secret with which keys are hashed.
    #[inline(always)]
    pub(super) fn secret(&self) -> HashSecret {
        self.hasher.secret()
    }

    /// The hash of a key.
    pub(super) fn hash(&self, key: &Key<'_>) -> u32 {
        self.hasher.hash(key)
    }

    /// Asks for the memory where the lookup of a key with this hash begins.
    #[inline(always)]
    pub(super) fn prefetch_slot(&self, hash: u32) {
        self.slots.prefetch(hash);
    }

    /// The entry of the key with this hash, if no other key has the hash. Asks for its memory.
    #[inline(always)]
    pub(super) fn candidate(&self, hash: u32) -> Option<&Entry> {
        let entry = &self.entries[self.slots.first(hash)?.index()];
        prefetch(entry);
        Some(entry)
    }

    /// The route of a key, if it still holds when `expired` series have expired.
    #[inline]
    pub(super) fn find(&self, key: &Key<'_>, hash: u32, expired: u32) -> Option<RouteRef<'_>> {
        self.find_id(key, hash, expired).map(|route| self.route(route))
    }

    /// The place of such a route.
    #[inline]
    pub(super) fn find_id(&self, key: &Key<'_>, hash: u32, expired: u32) -> Option<RouteId> {
        let route = self.slots.find(hash, |route| self.entries[route.index()].matches(key))?;
        match self.entries[route.index()].route {
            Stored::Overflow { as_of, .. } | Stored::Reject { as_of, .. } if as_of != expired => None,
            _ => Some(route),
        }
    }

    /// A route.
    #[inline(always)]
    pub(super) fn route(&self, route: RouteId) -> RouteRef<'_> {
        match &self.entries[route.index()].route {
            Stored::Apply { plan, series, .. } => Route::Apply { series, plan: self.plans.get(*plan) },
            Stored::Counter { plan, .. } | Stored::Gauge { plan, .. } => {
                Route::Apply { series: &self.owner(route).series, plan: self.plans.get(*plan) }
            }
            Stored::Overflow { limit, plan, series, .. } => {
                Route::Overflow { series, plan: self.plans.get(*plan), limit: *limit }
            }
            Stored::Drop { .. } => Route::Drop,
            Stored::Reject { reject, .. } => Route::Reject(*reject),
        }
    }

    /// The route of an entry whose [`class`](Entry::class) is known. `ARENA` is whether the cache [has
    /// one](Self::has_arena): without it, no line pays for the difference.
    #[inline(always)]
    pub(super) fn known<'c, const ARENA: bool>(&'c self, entry: &'c Entry) -> KnownRoute<'c> {
        match &entry.route {
            Stored::Apply { plan, series, .. } => KnownRoute::Apply { series, plan: self.plans.get(*plan) },
            Stored::Counter { plan, numbers: [times, values @ ..], .. } if ARENA => {
                KnownRoute::Lent { cells: Lent::Counter(values), times, plan: self.plans.get(*plan) }
            }
            Stored::Gauge { plan, numbers: [times, values @ ..], .. } if ARENA => {
                KnownRoute::Lent { cells: Lent::Gauge(values), times, plan: self.plans.get(*plan) }
            }
            _ => KnownRoute::Drop,
        }
    }

    /// The series that an entry with this hash leads to, if it leads past the series to its values.
    #[cold]
    pub(super) fn series_behind(&self, entry: &Entry, hash: u32) -> Option<&Arc<Series>> {
        let route = self.slots.find(hash, |route| std::ptr::eq(&self.entries[route.index()], entry))?;
        Some(&self.owners.get(route.index())?.as_ref()?.series)
    }

    fn owner(&self, route: RouteId) -> &Owner {
        self.owners[route.index()].as_ref().expect("a route to values in an arena has an owner")
    }

    /// The rule that matched the key of a route, by its index; `None`: none did, or it is not known.
    pub(super) fn rule(&self, route: RouteId) -> Option<usize> {
        match self.entries[route.index()].route {
            Stored::Apply { rule, .. } | Stored::Drop { rule } => rule.get(),
            Stored::Counter { .. } | Stored::Gauge { .. } => self.owner(route).rule.get(),
            Stored::Overflow { .. } | Stored::Reject { .. } => None,
        }
    }

    /// Keeps the route of a key that the rule of this index matches, resolved when `expired` series had expired.
    pub(super) fn insert(&mut self, key: &Key<'_>, hash: u32, route: Route, rule: Option<usize>, expired: u32) {
        let leads_to_series = matches!(route, Route::Apply { .. });
        let Some((route, owner)) = self.stored(route, rule, expired) else { return };
        if !leads_to_series && key.len() > LONGEST_WITHOUT_SERIES {
            return;
        }
        if let Some(old) = self.slots.find(hash, |route| self.entries[route.index()].matches(key)) {
            self.entries[old.index()].route = route;
            if let Some(old) = self.owners.get_mut(old.index()) {
                *old = owner;
            }
            return;
        }
        while self.is_full(key.len()) {
            if self.entries.is_empty() || !leads_to_series {
                return;
            }
            self.victim = (self.victim + 1) % self.entries.len();
            self.forget(RouteId::new(self.victim));
        }
        let entry = Entry::new(key, route);
        self.long_key_bytes += entry.key.long_len();
        self.slots.insert(hash, RouteId::new(self.entries.len()));
        self.entries.push(entry);
        if self.has_arena {
            self.owners.push(owner);
        }
    }

    /// Forgets the routes to series whose time to live is over at `now` among the [`FORGET_CHUNK`] entries before `end`;
    /// gives the end of the next chunk, `None` after the last.
    ///
    /// The worker waits for one chunk at most, however many routes there are: nothing is hashed but the forgotten keys,
    /// and nothing moves but the last entry into each gap. Entries at and behind `end` were looked at before, or are
    /// newer than the sweep, so going backwards misses none.
    pub(super) fn forget_due(&mut self, end: usize, now: u32) -> Option<usize> {
        let end = end.min(self.entries.len());
        let start = end.saturating_sub(FORGET_CHUNK);
        for index in (start..end).rev() {
            let route = RouteId::new(index);
            if self.is_due(route, now) {
                self.forget(route);
            }
        }
        if start == 0 {
            self.give_back();
        }
        (start > 0).then_some(start)
    }

    /// Gives back the memory of many forgotten routes. The entries shrink in place; the slots are made anew only if few
    /// routes are left, because that takes time for each of them.
    fn give_back(&mut self) {
        if self.entries.len() * 4 < self.entries.capacity() {
            self.entries.shrink_to(self.entries.len() * 2);
            self.owners.shrink_to(self.owners.len() * 2);
        }
        if self.entries.len() <= FORGET_CHUNK && self.slots.is_sparse() {
            self.slots = Slots::new();
            for index in 0..self.entries.len() {
                let route = RouteId::new(index);
                self.slots.insert(self.hash_of(route), route);
            }
        }
    }

    fn is_full(&self, key_len: usize) -> bool {
        let more = if key_len > SHORT { key_len } else { 0 };
        self.entries.len() >= self.max_routes
            || self.long_key_bytes + more > self.max_routes * KEY_BYTES
            || !self.budget.has_room()
    }

    fn forget(&mut self, route: RouteId) {
        self.slots.remove(self.hash_of(route), route);
        let last = RouteId::new(self.entries.len() - 1);
        if last != route {
            self.slots.replace(self.hash_of(last), last, route);
        }
        let gone = self.entries.swap_remove(route.index());
        self.long_key_bytes -= gone.key.long_len();
        if self.has_arena {
            self.owners.swap_remove(route.index());
        }
    }

    /// Whether a route leads to a series whose time to live is over.
    fn is_due(&self, route: RouteId, now: u32) -> bool {
        match &self.entries[route.index()].route {
            Stored::Apply { has_ttl, series, .. } => *has_ttl && series.is_due(now),
            Stored::Counter { .. } | Stored::Gauge { .. } => {
                let Owner { has_ttl, series, .. } = self.owner(route);
                *has_ttl && series.is_due(now)
            }
            Stored::Overflow { series, .. } => series.is_due(now),
            Stored::Drop { .. } | Stored::Reject { .. } => false,
        }
    }

    fn hash_of(&self, route: RouteId) -> u32 {
        self.hasher.hash_parts(self.entries[route.index()].parts())
    }

    /// The route as an entry keeps it, and its owner; `None` if it cannot be kept.
    fn stored(&mut self, route: Route, rule: Option<usize>, as_of: u32) -> Option<(Stored, Option<Owner>)> {
        let rule = RuleIndex::new(rule);
        let stored = match route {
            Route::Apply { series, plan } => {
                let (metric_type, has_ttl, plan) = (series.cells.type_of(), series.has_ttl(), self.plans.id(plan)?);
                let stored = match series.in_arena().filter(|_| self.has_arena) {
                    Some(InArena::Counter(numbers)) => Stored::Counter { metric_type, plan, numbers },
                    Some(InArena::Gauge(numbers)) => Stored::Gauge { metric_type, plan, numbers },
                    None => return Some((Stored::Apply { metric_type, has_ttl, plan, rule, series }, None)),
                };
                return Some((stored, Some(Owner { series, has_ttl, rule })));
            }
            Route::Overflow { series, plan, limit } => {
                Stored::Overflow { limit, plan: self.plans.id(plan)?, as_of, series }
            }
            Route::Drop => Stored::Drop { rule },
            Route::Reject(reject) => Stored::Reject { reject, as_of },
        };
        Some((stored, None))
    }
}

impl Entry {
    fn new(key: &Key<'_>, route: Stored) -> Self {
        let parts = [key.name, key.tags, key.container];
        let key_bytes = if key.len() > SHORT {
            KeyBytes::Long(parts.concat().into())
        } else {
            let mut short = [0; SHORT];
            let mut rest = short.as_mut_slice();
            for part in parts {
                let (place, behind) = rest.split_at_mut(part.len());
                place.copy_from_slice(part);
                rest = behind;
            }
            KeyBytes::Short(short)
        };
        Self { shape: key.shape(), key: key_bytes, route }
    }

    /// The class of the entry if it is the key's own and its route holds for good. Without an arena, asks for the memory of
    /// its series too.
    #[inline(always)]
    pub(super) fn class<const ARENA: bool>(&self, key: &Key<'_>) -> Option<usize> {
        if !self.matches(key) {
            return None;
        }
        if !ARENA {
            if let Stored::Apply { metric_type, series, .. } = &self.route {
                series.prefetch_hot();
                return Some(*metric_type as usize);
            }
            return matches!(self.route, Stored::Drop { .. }).then_some(NO_SERIES);
        }
        match &self.route {
            Stored::Apply { metric_type, .. }
            | Stored::Counter { metric_type, .. }
            | Stored::Gauge { metric_type, .. } => Some(*metric_type as usize),
            Stored::Drop { .. } => Some(NO_SERIES),
            Stored::Overflow { .. } | Stored::Reject { .. } => None,
        }
    }

    /// Asks for what a line reads and changes first.
    #[inline(always)]
    pub(super) fn prefetch_hot(&self) {
        match &self.route {
            Stored::Apply { series, .. } => series.prefetch_hot(),
            // The first value is in the same cache line, because slots begin at multiples of 32 bytes.
            Stored::Counter { numbers: [times, ..], .. } | Stored::Gauge { numbers: [times, ..], .. } => {
                prefetch(times)
            }
            Stored::Overflow { .. } | Stored::Drop { .. } | Stored::Reject { .. } => {}
        }
    }

    /// Asks for the numbers of its series, if that is a histogram.
    #[inline(always)]
    pub(super) fn prefetch_buckets(&self) {
        if let Stored::Apply { series, .. } = &self.route {
            series.cells.prefetch_buckets();
        }
    }

    #[inline(always)]
    fn matches(&self, key: &Key<'_>) -> bool {
        self.shape == key.shape() && key.matches(self.key.as_slice())
    }

    /// The parts of its key.
    fn parts(&self) -> [&[u8]; 3] {
        let [name, tags, container] = [0, 16, 32].map(|shift| usize::from((self.shape >> shift) as u16));
        let (name, rest) = self.key.as_slice().split_at(name);
        let (tags, rest) = rest.split_at(tags);
        [name, tags, &rest[..container]]
    }
}

impl KeyBytes {
    /// The parts, and zeros behind them if they are short.
    #[inline(always)]
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short(short) => short,
            Self::Long(long) => long,
        }
    }

    fn long_len(&self) -> usize {
        match self {
            Self::Short(_) => 0,
            Self::Long(long) => long.len(),
        }
    }
}

/// The plans of all routes. Rules make few different ones, so routes share them.
#[derive(Debug, Default)]
struct Plans {
    plans: Vec<Plan>,
    ids: HashMap<Plan, PlanId, RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct PlanId(u16);

/// How many plans with tag errors are kept. Clients can make any number of them.
const ERRONEOUS_PLANS: usize = 1024;

impl Plans {
    #[inline(always)]
    fn get(&self, id: PlanId) -> &Plan {
        &self.plans[usize::from(id.0)]
    }

    /// The id of a plan; `None` if the plan is new and there are too many.
    fn id(&mut self, plan: Plan) -> Option<PlanId> {
        if let Some(id) = self.ids.get(&plan) {
            return Some(*id);
        }
        let id = PlanId(u16::try_from(self.plans.len()).ok()?);
        if !plan.tag_errors.is_empty() && self.plans.len() >= ERRONEOUS_PLANS {
            return None;
        }
        self.plans.push(plan);
        self.ids.insert(plan, id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Dialects, Limits};
    use crate::mapping::{Context, Conversion, Outcome, Reading, Rules, TagErrors};
    use crate::metric::{Cells, Sharing, Total, Update};
    use crate::parse::StatsdType;
    use crate::parse::tags::Tagged;
    use crate::state::{Arena, OwnPieces};

    fn key<'a>(name: &'a [u8], tags: &'a [u8]) -> Key<'a> {
        Key { name, statsd_type: StatsdType::Counter, tags, container: &[] }
    }

    fn insert(cache: &mut RouteCache, key: Key<'_>, route: Route) {
        cache.insert(&key, cache.hash(&key), route, None, 0);
    }

    /// The name of the series that a key leads to.
    fn found(cache: &RouteCache, name: &[u8]) -> Option<String> {
        let key = key(name, b"");
        match cache.find(&key, cache.hash(&key), 0)? {
            Route::Apply { series, .. } => Some(series.name().to_owned()),
            route => panic!("{route:?}"),
        }
    }

    /// Routes are replaced, evicted and moved, and each still leads to its own series, directly and past it.
    #[test]
    fn routes_past_a_series_lead_to_its_own_values() {
        let mut cache = RouteCache { has_arena: true, ..RouteCache::new(1, MemoryBudget::UNLIMITED) };
        let all: Vec<_> =
            (0..3000).map(|n| (format!("n{n}"), if n % 3 == 0 { series } else { series_in_arena })).collect();
        let all: Vec<_> = all.into_iter().map(|(name, series)| (series(&name), name)).collect();
        for (n, (series, name)) in all.iter().enumerate() {
            insert(&mut cache, key(name.as_bytes(), b""), if n % 5 == 0 { Route::Drop } else { apply(series) });
            insert(&mut cache, key(name.as_bytes(), b""), apply(series));
        }
        assert_eq!((cache.entries.len(), cache.owners.len()), (1024, 1024));
        let known = all.iter().filter(|(series, name)| {
            let key = key(name.as_bytes(), b"");
            let hash = cache.hash(&key);
            let Some(entry) = cache.candidate(hash) else { return false };
            if entry.class::<true>(&key) != Some(MetricType::Counter as usize) {
                return false;
            }
            match cache.known::<true>(entry) {
                KnownRoute::Apply { series: found, .. } => assert!(Arc::ptr_eq(found, series) && !series.is_in_arena()),
                KnownRoute::Lent { cells, .. } => {
                    cells.apply(Update::Count(7), Sharing::SingleWriter);
                    assert!(matches!(&series.cells, Cells::Counter(counter) if counter.total() == Total::Whole(7)));
                    assert!(cache.series_behind(entry, hash).is_some_and(|found| Arc::ptr_eq(found, series)));
                }
                KnownRoute::Drop => panic!("{name}"),
            }
            found(&cache, name.as_bytes()) == Some(format!("{name}_total"))
        });
        assert_eq!(known.count(), 1024);
    }

    fn knows(cache: &RouteCache, key: Key<'_>) -> bool {
        cache.find(&key, cache.hash(&key), 0).is_some()
    }

    /// A series that expires at 2, unless it is touched.
    fn series(name: &str) -> Arc<Series> {
        series_of(name, Registry::new(Limits::default(), MemoryBudget::UNLIMITED))
    }

    /// The same, with its values in an arena.
    fn series_in_arena(name: &str) -> Arc<Series> {
        let arena = Arc::new(Arena::in_own_memory(OwnPieces::default()).0);
        series_of(name, Registry::new(Limits::default(), MemoryBudget::UNLIMITED).with_arena(Some(arena)))
    }

    fn series_of(name: &str, registry: Registry) -> Arc<Series> {
        let config = Config {
            defaults: crate::config::Defaults { ttl: Some(std::time::Duration::from_secs(1)), ..Default::default() },
            ..Config::default()
        };
        let (rules, _) = Rules::compile(&config);
        let mapping = rules.map(Context { name, statsd_type: StatsdType::Counter, tags: &[], container: "" });
        let Ok(Outcome::Feed(metric, _)) = mapping.outcome else { panic!("{mapping:?}") };
        registry.get_or_create(&metric, None, 0).expect("there is room")
    }

    type MakeSeries = fn(&str) -> Arc<Series>;

    /// Caches of so many series, without an arena and with one, and what makes their series.
    fn caches(series: usize) -> [(RouteCache, MakeSeries); 2] {
        let cache = |has_arena| RouteCache { has_arena, ..RouteCache::new(series, MemoryBudget::UNLIMITED) };
        [(cache(false), self::series), (cache(true), series_in_arena)]
    }

    fn plan() -> Plan {
        let conversion =
            Conversion::new(StatsdType::Counter, MetricType::Counter, Reading::default()).expect("a counter takes it");
        Plan { conversion, tag_errors: TagErrors::NONE, is_unmapped: false }
    }

    fn apply(series: &Arc<Series>) -> Route {
        Route::Apply { series: Arc::clone(series), plan: plan() }
    }

    fn overflow(series: &Arc<Series>) -> Route {
        Route::Overflow { series: Arc::clone(series), plan: plan(), limit: Reject::SeriesLimit }
    }

    #[test]
    fn keys_differ_by_every_part() {
        let mut cache = RouteCache::new(10, MemoryBudget::UNLIMITED);
        insert(&mut cache, key(b"ab", b"c"), Route::Drop);
        assert!(knows(&cache, key(b"ab", b"c")));
        assert!(!knows(&cache, key(b"a", b"bc")));
        assert!(!knows(&cache, key(b"abc", b"")));
        assert!(!knows(&cache, Key { statsd_type: StatsdType::Gauge, ..key(b"ab", b"c") }));
        assert!(!knows(&cache, Key { container: b"x", ..key(b"ab", b"c") }));
    }

    #[test]
    fn keys_with_one_hash_have_routes_of_their_own() {
        let mut cache = RouteCache::new(10, MemoryBudget::UNLIMITED);
        cache.insert(&key(b"one", b""), 7, Route::Drop, None, 0);
        cache.insert(&key(b"two", b""), 7, Route::Reject(Reject::EmptyName), None, 0);
        assert!(matches!(cache.find(&key(b"one", b""), 7, 0), Some(Route::Drop)));
        assert!(matches!(cache.find(&key(b"two", b""), 7, 0), Some(Route::Reject(Reject::EmptyName))));
        assert!(cache.find(&key(b"six", b""), 7, 0).is_none());
    }

    #[test]
    fn a_cache_is_bounded_in_routes_and_in_bytes() {
        let (mut cache, series) = (RouteCache::new(1, MemoryBudget::UNLIMITED), series("a"));
        let names: Vec<String> = (0..10_000).map(|n| format!("{}name{n}", "long".repeat(n % 20))).collect();
        for name in &names {
            insert(&mut cache, key(name.as_bytes(), b""), apply(&series));
            assert!(knows(&cache, key(name.as_bytes(), b"")));
            assert!(cache.entries.len() <= 1024);
        }
        assert_eq!(names.iter().filter(|name| knows(&cache, key(name.as_bytes(), b""))).count(), 1024);
        let long = vec![b'x'; 1024 * KEY_BYTES];
        insert(&mut cache, key(&long, b""), apply(&series));
        assert!(knows(&cache, key(&long, b"")));
        assert_eq!(cache.long_key_bytes, long.len(), "it has taken the place of all long keys");
        insert(&mut cache, key(&vec![b'x'; 1024 * KEY_BYTES + 1], b""), apply(&series));
        assert!(cache.long_key_bytes <= 1024 * KEY_BYTES);
    }

    #[test]
    fn keys_without_a_series_of_their_own_evict_nothing() {
        let series = series("a");
        let names: Vec<String> = (0..5000).map(|n| format!("name{n}")).collect();
        let (own, other) = names.split_at(1000);
        for route in [overflow(&series), Route::Drop, Route::Reject(Reject::TypeConflict)] {
            let mut cache = RouteCache::new(1, MemoryBudget::UNLIMITED);
            own.iter().for_each(|name| insert(&mut cache, key(name.as_bytes(), b""), apply(&series)));
            other.iter().for_each(|name| insert(&mut cache, key(name.as_bytes(), b""), route.clone()));
            assert!(own.iter().all(|name| knows(&cache, key(name.as_bytes(), b""))));
            assert_eq!(other.iter().filter(|name| knows(&cache, key(name.as_bytes(), b""))).count(), 24);
        }
    }

    #[test]
    fn plans_that_clients_make_up_are_bounded_and_leave_room_for_those_of_rules() {
        let mut plans = Plans::default();
        let (rules, _) = Rules::compile(&Config::default());
        let tagged = Tagged::new("a", ",", Dialects::ALL);
        let context = Context { name: "a", statsd_type: StatsdType::Counter, tags: &tagged.tags, container: "" };
        let tag_errors = rules.map(context).tag_errors;
        assert!(!tag_errors.is_empty());
        let reading = |scale| Reading { scale, ..Reading::default() };
        let conversion =
            |n| Conversion::new(StatsdType::Counter, MetricType::Counter, reading(n)).expect("a counter takes it");
        let made_up = (0..5000).map(|n| Plan { conversion: conversion(f64::from(n)), tag_errors, is_unmapped: false });
        assert_eq!(made_up.filter(|plan| plans.id(*plan).is_some()).count(), ERRONEOUS_PLANS);
        assert!(plans.id(plan()).is_some());
    }

    #[test]
    fn a_route_that_depends_on_other_series_holds_until_one_expires() {
        let (mut cache, series) = (RouteCache::new(1, MemoryBudget::UNLIMITED), series("a"));
        for (name, route, holds) in [
            (&b"apply"[..], apply(&series), true),
            (b"drop", Route::Drop, true),
            (b"overflow", overflow(&series), false),
            (b"reject", Route::Reject(Reject::TypeConflict), false),
        ] {
            let key = key(name, b"");
            let hash = cache.hash(&key);
            cache.insert(&key, hash, route, None, 7);
            assert!(cache.find(&key, hash, 7).is_some());
            assert_eq!(cache.find(&key, hash, 8).is_some(), holds);
            cache.insert(&key, hash, Route::Drop, None, 8);
            assert!(matches!(cache.find(&key, hash, 8), Some(Route::Drop)), "the new route takes the old one's place");
        }
        assert_eq!(cache.entries.len(), 4);
    }

    /// Forgetting costs the worker a bounded time: a chunk looks at some entries only, and neither rehashes nor moves the
    /// others.
    #[test]
    fn due_routes_are_forgotten_in_bounded_chunks() {
        for (cache, series) in caches(10_000) {
            due_routes_are_forgotten(cache, &series("idle"), &series("busy"));
        }
    }

    fn due_routes_are_forgotten(mut cache: RouteCache, idle: &Arc<Series>, busy: &Arc<Series>) {
        let name = |n: usize| format!("{}name{n}", "long".repeat(n % 20));
        for n in 0..5000 {
            let series = if n % 10 == 0 { idle } else { busy };
            insert(&mut cache, key(name(n).as_bytes(), b""), apply(series));
        }
        busy.touch(5);
        assert_eq!(cache.forget_due(usize::MAX, 5), Some(5000 - FORGET_CHUNK));
        let forgotten = 5000 - cache.entries.len();
        assert_eq!(forgotten, (5000 - FORGET_CHUNK..5000).filter(|n| n % 10 == 0).count(), "no more than the chunk's");
        // The worker meets a new series between two chunks.
        insert(&mut cache, key(b"new", b""), apply(busy));
        let mut rest = Some(5000 - FORGET_CHUNK);
        let mut chunks = 0;
        while let Some(end) = rest {
            rest = cache.forget_due(end, 5);
            chunks += 1;
        }
        assert_eq!(chunks, (5000 - FORGET_CHUNK).div_ceil(FORGET_CHUNK));
        assert!(knows(&cache, key(b"new", b"")));
        for n in 0..5000 {
            let found = found(&cache, name(n).as_bytes());
            assert_eq!(found.as_deref(), (n % 10 != 0).then_some("busy_total"), "{n}");
        }
        let long: usize = (0..5000).filter(|n| n % 10 != 0).map(|n| name(n).len()).filter(|len| *len > SHORT).sum();
        assert_eq!(cache.long_key_bytes, long);
    }

    #[test]
    fn memory_of_forgotten_routes_is_given_back() {
        for (cache, series) in caches(10_000) {
            memory_is_given_back(cache, &series("a"));
        }
    }

    fn memory_is_given_back(mut cache: RouteCache, series: &Arc<Series>) {
        (0..10_000).for_each(|n| {
            let route = apply(series);
            insert(&mut cache, key(format!("name{n}").as_bytes(), b""), route);
        });
        let mut rest = Some(usize::MAX);
        while let Some(end) = rest {
            rest = cache.forget_due(end, 2);
        }
        assert_eq!((cache.entries.len(), cache.entries.capacity(), cache.owners.capacity()), (0, 0, 0));
        assert_eq!(Arc::strong_count(series), 1, "this one");
    }

    #[test]
    fn an_entry_is_a_cache_line() {
        assert_eq!(size_of::<Entry>(), 64);
    }
}
