use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::super::{Fields, Value, ValueError};
use super::field_name::FieldNameReader;
use super::reader::{ValueReader, shape};
use crate::text::Text;

/// Hands out the items of an array.
pub(super) struct ItemReader<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    levels: usize,
}

impl<'de> ItemReader<'de> {
    pub(super) fn new(items: &'de [Value], levels: usize) -> Self {
        let items = items.iter().enumerate();
        Self { items, levels }
    }

    pub(super) fn left(&self) -> usize {
        self.items.len()
    }
}

impl<'de> SeqAccess<'de> for &mut ItemReader<'de> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some((at, item)) = self.items.next() else {
            return Ok(None);
        };
        let item = seed.deserialize(ValueReader::part(item, self.levels));
        item.map(Some).map_err(|error| error.in_item(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

/// Hands out the fields of a map.
pub(super) struct FieldReader<'de> {
    fields: std::slice::Iter<'de, (Text, Value)>,
    /// The field whose value comes next.
    field: Option<&'de (Text, Value)>,
    levels: usize,
}

impl<'de> FieldReader<'de> {
    pub(super) fn new(fields: &'de Fields, levels: usize) -> Self {
        Self {
            fields: fields.as_slice().iter(),
            field: None,
            levels,
        }
    }

    pub(super) fn left(&self) -> usize {
        self.fields.len()
    }
}

impl<'de> MapAccess<'de> for &mut FieldReader<'de> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        self.field = self.fields.next();
        let Some((name, _)) = self.field else {
            return Ok(None);
        };
        let key = seed.deserialize(FieldNameReader::new(name));
        key.map(Some).map_err(|error| error.in_field(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        let Some((name, value)) = self.field.take() else {
            return Err(ValueError::refused(
                "a field's value is asked for before its name",
            ));
        };
        let value = seed.deserialize(ValueReader::part(value, self.levels));
        value.map_err(|error| error.in_field(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

/// Hands out a variant that has content.
pub(super) struct VariantReader<'de> {
    variant: &'de str,
    content: ValueReader<'de>,
}

impl<'de> VariantReader<'de> {
    pub(super) fn new(variant: &'de str, content: ValueReader<'de>) -> Self {
        Self { variant, content }
    }

    fn in_variant<T>(
        self,
        read: impl FnOnce(ValueReader<'de>) -> Result<T, ValueError>,
    ) -> Result<T, ValueError> {
        read(self.content).map_err(|error| error.in_field(self.variant))
    }
}

impl<'de> EnumAccess<'de> for VariantReader<'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ValueError> {
        let name = BorrowedStrDeserializer::<ValueError>::new(self.variant);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for VariantReader<'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        self.in_variant(|content| match content.value() {
            Value::Null => Ok(()),
            other => Err(Error::invalid_type(shape(other), &"null, for a unit variant")),
        })
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ValueError> {
        self.in_variant(|content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.in_variant(|content| content.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.in_variant(|content| content.deserialize_map(visitor))
    }
}
