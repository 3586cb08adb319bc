//! Settings that are one of a few words.

/// Defines such a setting: its words, and what each stands for. What is not one of them is an error that lists them.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        enum $choice:ident = $form:literal { $( $(#[doc = $doc:literal])* $variant:ident = $word:literal, )* }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $choice {
            $( $(#[doc = $doc])* $variant, )*
        }

        impl crate::config::setting::Kind for $choice {
            const FORM: &'static str = $form;
        }

        impl std::fmt::Display for $choice {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $( Self::$variant => $word, )* })
            }
        }

        impl<'de> serde::Deserialize<'de> for $choice {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                const RULE: &str = concat!("write one of ", $form);
                let word = String::deserialize(deserializer).map_err(|_| serde::de::Error::custom(RULE))?;
                match word.as_str() {
                    $( $word => Ok(Self::$variant), )*
                    _ => Err(serde::de::Error::custom(RULE)),
                }
            }
        }
    };
}

pub(crate) use choice;
