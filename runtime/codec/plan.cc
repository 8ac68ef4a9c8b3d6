#include "codec/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "codec/decoder.h"
#include "codec/scalars.h"
#include "text/words.h"

namespace weir {

namespace pb = google::protobuf;

namespace {

// FNV-1a.
std::uint32_t hash_of(std::string_view name) {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  return hash;
}

Status refuse(std::string message) {
  return Status::stop(ExitCode::config, std::move(message));
}

}  // namespace

NameEntry& NameTable::add(std::string_view name) {
  const std::uint32_t found = find(name);
  if (found != NameEntry::kNone) {
    return entries_[found];
  }
  entries_.emplace_back();
  entries_.back().name = name;
  if (entries_.size() * 2 > buckets_.size()) {
    buckets_.assign(std::max<std::size_t>(16, buckets_.size() * 2), NameEntry::kNone);
    for (std::uint32_t i = 0; i < entries_.size(); ++i) {
      index(i);
    }
  } else {
    index(static_cast<std::uint32_t>(entries_.size() - 1));
  }
  return entries_.back();
}

void NameTable::index(std::uint32_t entry) {
  const std::size_t mask = buckets_.size() - 1;
  std::size_t at = hash_of(entries_[entry].name) & mask;
  while (buckets_[at] != NameEntry::kNone) {
    at = (at + 1) & mask;
  }
  buckets_[at] = entry;
}

std::uint32_t NameTable::find(std::string_view name) const {
  if (buckets_.empty()) {
    return NameEntry::kNone;
  }
  const std::size_t mask = buckets_.size() - 1;
  std::size_t at = hash_of(name) & mask;
  while (buckets_[at] != NameEntry::kNone && entries_[buckets_[at]].name != name) {
    at = (at + 1) & mask;
  }
  return buckets_[at];
}

// Makes and owns the message plans; they stay where they are.
class DecodePlan::Compiler {
 public:
  explicit Compiler(const pb::Descriptor* root) : root_(root) {}

  Result<MessagePlan*> message(const pb::Descriptor* descriptor) {
    if (const auto found = messages_.find(descriptor); found != messages_.end()) {
      return found->second.get();
    }
    const std::size_t first_made = made_.size();
    std::unique_ptr<MessagePlan>& slot = messages_[descriptor];
    slot = std::make_unique<MessagePlan>();
    MessagePlan* const plan = slot.get();
    made_.push_back(descriptor);
    Status status = fill(descriptor, *plan);
    if (!status.is_ok()) {
      // Types that refer to each other are made in one go, and are refused in one go.
      for (; made_.size() > first_made; made_.pop_back()) {
        messages_.erase(made_.back());
      }
      return status;
    }
    return plan;
  }

  // Not the plan of the same type further down: what is configured holds for the record alone.
  Result<MessagePlan*> root() {
    if (root_ != nullptr) {
      WEIR_TRY(fill(root_, root_plan_));
    }
    return &root_plan_;
  }

  const pb::DescriptorPool* pool() const {
    return root_ == nullptr ? nullptr : root_->file()->pool();
  }

 private:
  Status fill(const pb::Descriptor* descriptor, MessagePlan& plan) {
    plan.descriptor = descriptor;
    plan.name = descriptor->full_name();
    plan.shape = shape_of(*descriptor);
    const int count = descriptor->field_count();
    plan.fields.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      WEIR_TRY(fill(*descriptor->field(i), plan.fields[static_cast<std::size_t>(i)]));
    }
    plan.seen_bits = static_cast<std::uint32_t>(count + descriptor->oneof_decl_count());
    // A JSON name goes before a field's own name where they clash, as in protobuf's parser.
    for (int i = 0; i < count; ++i) {
      NameEntry& entry = plan.names.add(descriptor->field(i)->json_name());
      entry.field = entry.field < 0 ? i : entry.field;
    }
    for (int i = 0; i < count; ++i) {
      NameEntry& entry = plan.names.add(descriptor->field(i)->name());
      entry.field = entry.field < 0 ? i : entry.field;
    }
    return Status::ok();
  }

  Status fill(const pb::FieldDescriptor& field, FieldPlan& plan) {
    if (field.is_required()) {
      return refuse(fmt::format("{}: `required` fields of proto2 can't be read from JSON here",
                                field.full_name()));
    }
    if (field.type() == pb::FieldDescriptor::TYPE_GROUP) {
      return refuse(
          fmt::format("{}: groups of proto2 can't be read from JSON here", field.full_name()));
    }
    plan.name = field.name();
    plan.kind = kind_of(field.type());
    plan.repeated = field.is_repeated();
    plan.packed = field.is_packed();
    plan.map = field.is_map();
    plan.has_presence = field.has_presence();
    plan.seen_bit = static_cast<std::uint32_t>(field.index());
    if (const pb::OneofDescriptor* oneof = field.containing_oneof(); oneof != nullptr) {
      plan.oneof_bit = field.containing_type()->field_count() + oneof->index();
    }
    plan.tag = WireTag(static_cast<std::uint32_t>(field.number()),
                       plan.packed ? WireType::bytes : wire_type_of(plan.kind));
    if (plan.kind == Kind::message) {
      Result<MessagePlan*> message = this->message(field.message_type());
      if (!message.is_ok()) {
        return message.status();
      }
      plan.message = message.value();
      // The plan may still be in the making, the descriptor isn't.
      plan.null_is_value = shape_of(*field.message_type()) == Shape::value;
    } else if (plan.kind == Kind::enumeration) {
      plan.enumeration = enumeration(*field.enum_type());
      plan.null_is_value = field.enum_type()->full_name() == "google.protobuf.NullValue";
    }
    return Status::ok();
  }

  const EnumPlan* enumeration(const pb::EnumDescriptor& descriptor) {
    std::unique_ptr<EnumPlan>& plan = enums_[&descriptor];
    if (plan == nullptr) {
      plan = std::make_unique<EnumPlan>();
      for (int i = 0; i < descriptor.value_count(); ++i) {
        const pb::EnumValueDescriptor& value = *descriptor.value(i);
        plan->numbers.emplace(value.name(), value.number());
        plan->names.emplace(value.number(), value.name());
      }
    }
    return plan.get();
  }

  static Shape shape_of(const pb::Descriptor& descriptor) {
    static const std::unordered_map<std::string_view, Shape> shapes = {
        {"google.protobuf.Timestamp", Shape::timestamp},
        {"google.protobuf.Duration", Shape::duration},
        {"google.protobuf.FieldMask", Shape::field_mask},
        {"google.protobuf.Struct", Shape::structure},
        {"google.protobuf.Value", Shape::value},
        {"google.protobuf.ListValue", Shape::list_value},
        {"google.protobuf.Any", Shape::any},
        {"google.protobuf.DoubleValue", Shape::wrapper},
        {"google.protobuf.FloatValue", Shape::wrapper},
        {"google.protobuf.Int64Value", Shape::wrapper},
        {"google.protobuf.UInt64Value", Shape::wrapper},
        {"google.protobuf.Int32Value", Shape::wrapper},
        {"google.protobuf.UInt32Value", Shape::wrapper},
        {"google.protobuf.BoolValue", Shape::wrapper},
        {"google.protobuf.StringValue", Shape::wrapper},
        {"google.protobuf.BytesValue", Shape::wrapper},
    };
    const auto found = shapes.find(descriptor.full_name());
    return found == shapes.end() ? Shape::plain : found->second;
  }

  static WireType wire_type_of(Kind kind) {
    switch (kind) {
      case Kind::fixed32:
      case Kind::sfixed32:
      case Kind::float32:
        return WireType::fixed32;
      case Kind::fixed64:
      case Kind::sfixed64:
      case Kind::float64:
        return WireType::fixed64;
      case Kind::string:
      case Kind::bytes:
      case Kind::message:
        return WireType::bytes;
      default:
        return WireType::varint;
    }
  }

  static Kind kind_of(pb::FieldDescriptor::Type type) {
    using F = pb::FieldDescriptor;
    switch (type) {
      case F::TYPE_INT32:
        return Kind::int32;
      case F::TYPE_INT64:
        return Kind::int64;
      case F::TYPE_UINT32:
        return Kind::uint32;
      case F::TYPE_UINT64:
        return Kind::uint64;
      case F::TYPE_SINT32:
        return Kind::sint32;
      case F::TYPE_SINT64:
        return Kind::sint64;
      case F::TYPE_FIXED32:
        return Kind::fixed32;
      case F::TYPE_FIXED64:
        return Kind::fixed64;
      case F::TYPE_SFIXED32:
        return Kind::sfixed32;
      case F::TYPE_SFIXED64:
        return Kind::sfixed64;
      case F::TYPE_FLOAT:
        return Kind::float32;
      case F::TYPE_DOUBLE:
        return Kind::float64;
      case F::TYPE_BOOL:
        return Kind::boolean;
      case F::TYPE_STRING:
        return Kind::string;
      case F::TYPE_BYTES:
        return Kind::bytes;
      case F::TYPE_ENUM:
        return Kind::enumeration;
      case F::TYPE_MESSAGE:
      case F::TYPE_GROUP:
        return Kind::message;
    }
    WEIR_ASSERT(false);
  }

  const pb::Descriptor* root_;
  MessagePlan root_plan_;
  std::vector<const pb::Descriptor*> made_;
  std::unordered_map<const pb::Descriptor*, std::unique_ptr<MessagePlan>> messages_;
  std::unordered_map<const pb::EnumDescriptor*, std::unique_ptr<EnumPlan>> enums_;
};

DecodePlan::DecodePlan() = default;
DecodePlan::DecodePlan(DecodePlan&&) noexcept = default;
DecodePlan& DecodePlan::operator=(DecodePlan&&) noexcept = default;
DecodePlan::~DecodePlan() = default;

std::vector<std::string> DecodePlan::notes() const {
  std::vector<std::string> known;
  std::vector<std::string> unknown;
  for (const NameEntry& entry : root_->names.entries()) {
    (entry.field >= 0 || entry.event_time ? known : unknown).push_back(entry.name);
  }
  std::vector<std::string> notes;
  for (const std::string& name : options_.key) {
    if (has_message_ && std::find(unknown.begin(), unknown.end(), name) != unknown.end()) {
      notes.push_back(fmt::format("dedup.key: {} has no field \"{}\"{}", root_->name, name,
                                  did_you_mean(name, known)));
    }
  }
  return notes;
}

namespace {

// In a oneof that the author wrote; a proto3 `optional` sits in one of its own.
bool in_oneof(const pb::Descriptor& message, const FieldPlan& field) {
  return message.field(static_cast<int>(field.seen_bit))->real_containing_oneof() != nullptr;
}

// The field that an option means, by either of its names.
Result<FieldPlan*> field_of(MessagePlan& root, std::string_view option, std::string_view name) {
  const std::uint32_t found = root.names.find(name);
  if (found != NameEntry::kNone && root.names[found].field >= 0) {
    return &root.fields[static_cast<std::size_t>(root.names[found].field)];
  }
  std::vector<std::string> known;
  for (const FieldPlan& field : root.fields) {
    known.push_back(field.name);
  }
  return refuse(fmt::format("{}: {} has no field \"{}\"{}", option, root.name, name,
                            did_you_mean(name, known)));
}

Status apply_rename(MessagePlan& root, const PlanOptions& options) {
  // Looked up before any name is bent, so that the order of the options doesn't matter.
  std::vector<std::int32_t> targets;
  for (const auto& [from, to] : options.rename) {
    WEIR_TRY_ASSIGN(FieldPlan * field, field_of(root, fmt::format("rename.{}", from), to));
    targets.push_back(static_cast<std::int32_t>(field->seen_bit));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    NameEntry& entry = root.names.add(options.rename[i].first);
    if (entry.renamed && entry.field != targets[i]) {
      return refuse(
          fmt::format("rename.{}: renamed to two different fields", options.rename[i].first));
    }
    entry.field = targets[i];
    entry.renamed = true;
    entry.special = true;
  }
  return Status::ok();
}

Status apply_trim(MessagePlan& root, const PlanOptions& options) {
  for (const std::string& name : options.trim) {
    WEIR_TRY_ASSIGN(FieldPlan * field, field_of(root, "trim", name));
    if (field->kind != Kind::string || field->repeated) {
      return refuse(fmt::format("trim: {}.{} is not a singular string; only those are trimmed",
                                root.name, field->name));
    }
    field->trim = true;
  }
  return Status::ok();
}

Status apply_key(MessagePlan& root, const PlanOptions& options) {
  for (std::size_t i = 0; i < options.key.size(); ++i) {
    const std::string& name = options.key[i];
    if (name.empty()) {
      return refuse("dedup.key: a field name is empty");
    }
    NameEntry& named = root.names.add(name);
    const std::int32_t field = named.field;
    if (field >= 0) {
      const FieldPlan& plan = root.fields[static_cast<std::size_t>(field)];
      const bool scalar = plan.kind != Kind::message || plan.message->shape == Shape::timestamp ||
                          plan.message->shape == Shape::duration ||
                          plan.message->shape == Shape::wrapper;
      if (plan.repeated || !scalar) {
        return refuse(fmt::format(
            "dedup.key: {}.{} is {}; a key is made of strings, numbers and truth values", root.name,
            plan.name,
            plan.map        ? "a map"
            : plan.repeated ? "repeated"
                            : "a message"));
      }
    }
    if (named.key_part >= 0) {
      return refuse(
          fmt::format("dedup.key: \"{}\" names a field that is in the key already", name));
    }
    // All names of a field fill the same part: a record that spells it two ways has it twice.
    for (std::uint32_t n = 0; n < root.names.entries().size(); ++n) {
      NameEntry& entry = root.names[n];
      if (entry.name == name || (field >= 0 && entry.field == field)) {
        entry.key_part = static_cast<std::int32_t>(i);
        entry.special = true;
      }
    }
  }
  return Status::ok();
}

Status apply_event_time(MessagePlan& root, const EventTime& event, const FieldPlan*& filled,
                        std::int64_t& zone_seconds) {
  WEIR_TRY_ASSIGN(FieldPlan * field, field_of(root, "event_time.field", event.field));
  if (field->repeated || field->kind != Kind::message ||
      field->message->shape != Shape::timestamp || in_oneof(*root.descriptor, *field)) {
    return refuse(fmt::format("event_time.field: {}.{} is not a singular google.protobuf.Timestamp",
                              root.name, field->name));
  }
  filled = field;
  if (event.format == TimeFormat::zoneless) {
    const std::optional<std::int64_t> zone = parse_zone(event.zone);
    if (!zone) {
      return refuse(fmt::format(
          "event_time.zone: \"{}\" is neither UTC nor an offset such as +01:00 (a zone with "
          "summer time makes two different times one; convert it where it is known)",
          event.zone));
    }
    zone_seconds = *zone;
  } else if (!event.zone.empty()) {
    return refuse("event_time.zone: only the format `zoneless` takes a zone");
  }
  const auto bit = static_cast<std::int32_t>(field->seen_bit);
  if (!event.from.empty()) {
    root.names.add(event.from);
  }
  for (std::uint32_t n = 0; n < root.names.entries().size(); ++n) {
    NameEntry& entry = root.names[n];
    if (event.from.empty() ? entry.field != bit : entry.name != event.from) {
      continue;
    }
    entry.event_time = true;
    entry.special = true;
    // The time itself, in the source's own form: read by event_time alone.
    entry.field = entry.field == bit ? -1 : entry.field;
  }
  return Status::ok();
}

}  // namespace

Result<DecodePlan> DecodePlan::compile(const pb::Descriptor* descriptor, PlanOptions options) {
  DecodePlan plan;
  plan.compiler_ = std::make_unique<Compiler>(descriptor);
  WEIR_ASSERT(options.depth_max >= 1 && options.depth_max <= kMessageDepthMax);
  plan.has_message_ = descriptor != nullptr;
  if (descriptor == nullptr) {
    if (!options.rename.empty() || !options.defaults.empty() || !options.trim.empty() ||
        options.event_time) {
      return refuse("rename, defaults, trim and event_time need a message: name its type");
    }
  }
  const Result<MessagePlan*> root = plan.compiler_->root();
  if (!root.is_ok()) {
    return root.status().within("message");
  }
  plan.root_ = root.value();
  if (plan.root_->shape != Shape::plain) {
    return refuse(fmt::format("message: {} is not the type of a record", plan.root_->name));
  }
  WEIR_TRY(apply_rename(*plan.root_, options));
  WEIR_TRY(apply_trim(*plan.root_, options));
  WEIR_TRY(apply_key(*plan.root_, options));
  if (options.event_time) {
    WEIR_TRY(
        apply_event_time(*plan.root_, *options.event_time, plan.event_time_, plan.zone_seconds_));
  }
  for (const auto& [name, value] : options.defaults) {
    const std::string option = fmt::format("defaults.{}", name);
    WEIR_TRY_ASSIGN(FieldPlan * field, field_of(*plan.root_, option, name));
    if (field->repeated || in_oneof(*descriptor, *field)) {
      return refuse(fmt::format("{}: {}.{} is {}", option, plan.root_->name, field->name,
                                field->repeated ? "repeated" : "a member of a oneof"));
    }
    Result<std::string> wire = encode_default(descriptor, field->name, value);
    if (!wire.is_ok()) {
      return wire.status().within(option);
    }
    plan.defaults_.push_back({field->seen_bit, std::move(wire).value()});
  }
  plan.options_ = std::move(options);
  return plan;
}

Result<MessagePlan*> DecodePlan::message_of(std::string_view full_name) {
  const pb::DescriptorPool* pool = compiler_->pool();
  const pb::Descriptor* descriptor =
      pool == nullptr ? nullptr : pool->FindMessageTypeByName(std::string(full_name));
  if (descriptor == nullptr) {
    return refuse(fmt::format("the message type \"{}\" is not known", full_name));
  }
  return compiler_->message(descriptor);
}

}  // namespace weir
