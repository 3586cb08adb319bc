//! The names that a configuration struct knows: OpenDAL passes over those it does not.

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// Returns the names of the fields of a struct, other names for them among these.
pub(crate) fn setting_names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // It ends with an error, once it has asked for a struct of these fields.
    let _ = T::deserialize(Asked { names: &mut names });
    names
}

/// Notes which fields are asked for, and has none.
struct Asked<'a> {
    names: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("only a struct has names"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.names = fields;
        Err(Error::custom("the names are known now"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_service_are_known_with_their_aliases() {
        #[derive(serde::Deserialize)]
        struct Config {
            #[serde(alias = "other")]
            _bucket: Option<String>,
        }
        assert_eq!(setting_names::<Config>(), ["_bucket", "other"]);
        assert!(setting_names::<u8>().is_empty());
    }
}
