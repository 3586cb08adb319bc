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

        impl $section {
            /// Describes the table.
            pub(crate) fn about() -> String {
                crate::config::section::about(&[$($about),*])
            }

            /// Returns where each setting stands in the file.
            pub(crate) fn spans(&self) -> Vec<(&'static str, Option<std::ops::Range<usize>>)> {
                vec![$( (stringify!($name), self.$name.as_ref().map(toml::Spanned::span)) ),*]
            }

            /// Describes each setting.
            pub(crate) fn described() -> Vec<crate::config::section::Described> {
                vec![$( crate::config::section::Described {
                    name: stringify!($name),
                    form: <$kind as crate::config::setting::Kind>::FORM,
                    default: ($default).to_string(),
                    about: crate::config::section::about(&[$($doc),*]),
                } ),*]
            }
        }
    };
}

pub(crate) use section;
