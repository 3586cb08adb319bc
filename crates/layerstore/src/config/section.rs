//! One definition of a table of the file: the type that reads it and the page that documents it cannot differ.

/// A setting as the documentation shows it.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    /// The name in the file.
    pub(crate) name: &'static str,
    /// What may be written.
    pub(crate) form: &'static str,
    /// What holds where the file says nothing.
    pub(crate) default: String,
    /// What it is.
    pub(crate) about: String,
}

/// A table of the file.
pub(crate) trait Section: serde::de::DeserializeOwned {
    /// Describes the table.
    fn about() -> String;

    /// Returns where each setting stands in the file.
    fn spans(&self) -> Vec<(&'static str, Option<std::ops::Range<usize>>)>;

    /// Describes each setting.
    fn described() -> Vec<Described>;

    /// Returns the names of the tables in it.
    fn tables() -> &'static [&'static str];
}

/// Joins the lines of a doc comment.
pub(crate) fn about(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Defines a table: each setting's name, kind of value, default (an expression, or a text that explains it) and description;
/// and, of the file itself, the tables in it.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        struct $section:ident {
            $( $(#[doc = $doc:literal])* $name:ident: $kind:ty = $default:expr, )*
        }
        $( tables { $( $(#[doc = $table_doc:literal])* $table:ident: $table_kind:ty, )* } )?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $section {
            $( $(#[doc = $doc])* pub(crate) $name: crate::config::setting::Setting<$kind>, )*
            $( $( $(#[doc = $table_doc])* pub(crate) $table: $table_kind, )* )?
        }

        impl crate::config::section::Section for $section {
            fn about() -> String {
                crate::config::section::about(&[$($about),*])
            }

            fn spans(&self) -> Vec<(&'static str, Option<std::ops::Range<usize>>)> {
                vec![$( (stringify!($name), self.$name.as_ref().map(toml::Spanned::span)) ),*]
            }

            fn described() -> Vec<crate::config::section::Described> {
                vec![$( crate::config::section::Described {
                    name: stringify!($name),
                    form: <$kind as crate::config::setting::Kind>::FORM,
                    default: ($default).to_string(),
                    about: crate::config::section::about(&[$($doc),*]),
                } ),*]
            }

            fn tables() -> &'static [&'static str] {
                &[$( $( stringify!($table) ),* )?]
            }
        }
    };
}

pub(crate) use section;
