use std::fmt::Display;
use std::str::FromStr;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::super::ValueError;

/// Makes a map's key of a field's name again.
pub(super) struct FieldNameReader<'de> {
    name: &'de str,
}

impl<'de> FieldNameReader<'de> {
    pub(super) fn new(name: &'de str) -> Self {
        Self { name }
    }

    /// Parses the name if it is the one text of what it stands for: `+7` and `07` are not 7, so that two fields
    /// never become one key.
    fn parse<T: FromStr + Display>(&self) -> Option<T> {
        let parsed: T = self.name.parse().ok()?;
        (parsed.to_string() == self.name).then_some(parsed)
    }

    fn refuse<T>(&self, expected: &dyn serde::de::Expected) -> Result<T, ValueError> {
        Err(Error::invalid_type(Unexpected::Str(self.name), expected))
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $key:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.parse::<$key>() {
                Some(key) => visitor.$visit(key),
                None => self.refuse(&visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for FieldNameReader<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_borrowed_str(self.name)
    }

    parsed! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        BorrowedStrDeserializer::new(self.name).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
