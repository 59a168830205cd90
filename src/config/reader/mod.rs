//! Reading files of settings, whatever language they are written in: TOML for config files, YAML for mapping files.
//!
//! A language implements [`Node`] for its values. A reader takes a [`Setting`] and returns `None` after it has reported
//! an error. The caller then keeps the default and reads on, because one run should show every error of a file.

mod problems;
mod setting;
mod values;

pub(crate) use problems::Problems;
pub(crate) use setting::{Node, Setting, Table, closest};
pub(crate) use values::{
    bad_constant_label, bad_label_name, boolean, choice, factor, is_reserved_label, label_name, number, pairs, rising,
    spanned, text, text_not_empty, word,
};
