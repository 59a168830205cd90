//! The lock and the atomics of what several threads share: those of the model checker where a model runs.
//!
//! The lock is fair in the long run, so that the sweeper gets its turn between the batches of a busy worker, and it is
//! not poisoned: what it guards is whole between any two statements.

#[cfg(loom_cells)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(loom_cells))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom_cells))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};

/// Gives a lock to the thread that has waited longest for it, if any does.
#[cfg(not(loom_cells))]
pub(crate) fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
    MutexGuard::unlock_fair(guard);
}

#[cfg(loom_cells)]
pub(crate) use model::{Mutex, MutexGuard, RwLock, unlock_fair};

#[cfg(loom_cells)]
mod model {
    use loom::sync::{RwLockReadGuard, RwLockWriteGuard};

    pub(crate) use loom::sync::MutexGuard;

    pub(crate) fn unlock_fair<T>(guard: MutexGuard<'_, T>) {
        drop(guard);
    }

    /// The model checker's lock with the interface of the other.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no model panics while it holds a lock")
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    /// The same for the lock of many readers.
    #[derive(Debug)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().expect("no model panics while it holds a lock")
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().expect("no model panics while it holds a lock")
        }
    }
}
