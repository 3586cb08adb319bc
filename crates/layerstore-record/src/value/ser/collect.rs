use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::super::error::ValueErrorReason;
use super::super::{Fields, Value, ValueError};
use super::field_name::FieldNameWriter;
use super::writer::{ValueWriter, tagged};
use crate::text::Text;

/// A length that somebody else's code claims is believed up to here; beyond it memory grows with what arrives.
const MAX_BELIEVED: usize = 1024;

/// Collects the items of an array, or of a variant that holds one.
pub(crate) struct ArrayCollector {
    writer: ValueWriter,
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl ArrayCollector {
    pub(super) fn new(writer: ValueWriter, len: Option<usize>, variant: Option<&'static str>) -> Self {
        Self {
            writer,
            items: Vec::with_capacity(len.unwrap_or(0).min(MAX_BELIEVED)),
            variant,
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        let at = self.items.len();
        let item = item
            .serialize(self.writer)
            .map_err(|error| placed(error.in_item(at), self.variant))?;
        self.items.push(item);
        Ok(())
    }

    fn collect(self) -> Value {
        wrapped(self.variant, Value::Array(self.items.into()))
    }
}

/// Collects the fields of a map, or of a variant that holds one.
pub(crate) struct MapCollector {
    writer: ValueWriter,
    fields: Vec<(Text, Value)>,
    /// The name whose value comes next.
    name: Option<Text>,
    variant: Option<&'static str>,
}

impl MapCollector {
    pub(super) fn new(writer: ValueWriter, len: Option<usize>, variant: Option<&'static str>) -> Self {
        Self {
            writer,
            fields: Vec::with_capacity(len.unwrap_or(0).min(MAX_BELIEVED)),
            name: None,
            variant,
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, name: Text, value: &T) -> Result<(), ValueError> {
        let value = value
            .serialize(self.writer)
            .map_err(|error| placed(error.in_field(&name), self.variant))?;
        self.fields.push((name, value));
        Ok(())
    }

    fn collect(self) -> Result<Value, ValueError> {
        let fields = Fields::new(self.fields).map_err(|name| {
            let twice = ValueError::new(ValueErrorReason::DuplicateField(name));
            placed(twice, self.variant)
        })?;
        Ok(wrapped(self.variant, Value::Map(fields)))
    }
}

fn placed(error: ValueError, variant: Option<&'static str>) -> ValueError {
    match variant {
        Some(variant) => error.in_field(variant),
        None => error,
    }
}

fn wrapped(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(variant) => tagged(variant, content),
        None => content,
    }
}

impl SerializeSeq for ArrayCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        self.push(item)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.collect())
    }
}

impl SerializeTuple for ArrayCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        self.push(item)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.collect())
    }
}

impl SerializeTupleStruct for ArrayCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        self.push(item)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.collect())
    }
}

impl SerializeTupleVariant for ArrayCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        self.push(item)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.collect())
    }
}

impl SerializeMap for MapCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let name = key.serialize(FieldNameWriter);
        self.name = Some(name.map_err(|error| placed(error, self.variant))?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        match self.name.take() {
            Some(name) => self.push(name, value),
            None => Err(ValueError::refused("a field's value comes before its name")),
        }
    }

    fn end(self) -> Result<Value, ValueError> {
        self.collect()
    }
}

impl SerializeStruct for MapCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.push(name.into(), value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.collect()
    }
}

impl SerializeStructVariant for MapCollector {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.push(name.into(), value)
    }

    fn end(self) -> Result<Value, ValueError> {
        self.collect()
    }
}
