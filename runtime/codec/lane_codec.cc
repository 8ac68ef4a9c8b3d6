#include "codec/lane_codec.h"

#include <optional>

#include <fmt/format.h>

#include "codec/reasons.h"
#include "text/words.h"
#include "weir/record.h"

namespace weir {

namespace pb = google::protobuf;

namespace {

// Reads the fields of a message at its top level.
class WireReader {
 public:
  explicit WireReader(std::string_view wire) : wire_(wire) {}

  bool at_end() const { return wire_.empty(); }

  bool varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 70 && !wire_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(wire_.front());
      wire_.remove_prefix(1);
      value |= shift < 64 ? std::uint64_t{byte & 0x7FU} << shift : 0;
      if (byte < 0x80U) {
        return true;
      }
    }
    return false;
  }

  bool bytes(std::size_t size, std::string_view& value) {
    if (size > wire_.size()) {
      return false;
    }
    value = wire_.substr(0, size);
    wire_.remove_prefix(size);
    return true;
  }

  // `number` and `type` of the next field, its content as an integer or as bytes.
  bool field(std::uint64_t& number, std::uint64_t& type, std::uint64_t& value,
             std::string_view& content) {
    std::uint64_t tag = 0;
    if (!varint(tag)) {
      return false;
    }
    number = tag >> 3U;
    type = tag & 7U;
    if (number == 0 || tag > UINT32_MAX) {
      return false;
    }
    switch (type) {
      case 0:
        return varint(value);
      case 1:
      case 5: {
        if (!bytes(type == 1 ? 8 : 4, content)) {
          return false;
        }
        value = 0;
        std::memcpy(&value, content.data(), content.size());
        return true;
      }
      case 2: {
        std::uint64_t size = 0;
        return varint(size) && bytes(size, content);
      }
      default:
        return false;  // groups
    }
  }

 private:
  std::string_view wire_;
};

std::int64_t unzigzag(std::uint64_t bits) {
  return static_cast<std::int64_t>((bits >> 1U) ^ (~(bits & 1U) + 1U));
}

// One part of a key that is read from wire bytes.
struct WireKeyPart {
  const pb::FieldDescriptor* field;
  std::uint64_t wire_type;
  bool found = false;
  std::uint64_t bits = 0;
  std::string_view text;
};

Result<std::vector<WireKeyPart>> wire_key(const pb::Descriptor* descriptor,
                                          const std::vector<std::string>& names) {
  std::vector<WireKeyPart> parts;
  if (!names.empty() && descriptor == nullptr) {
    return Status::stop(ExitCode::config, "dedup.key: needs a message: name its type");
  }
  for (const std::string& name : names) {
    const pb::FieldDescriptor* field = descriptor->FindFieldByName(name);
    if (field == nullptr) {
      field = descriptor->FindFieldByCamelcaseName(name);
    }
    if (field == nullptr) {
      std::vector<std::string> known;
      for (int i = 0; i < descriptor->field_count(); ++i) {
        known.push_back(descriptor->field(i)->name());
      }
      return Status::stop(ExitCode::config,
                          fmt::format("dedup.key: {} has no field \"{}\"{}",
                                      descriptor->full_name(), name, did_you_mean(name, known)));
    }
    using F = pb::FieldDescriptor;
    if (field->is_repeated() || field->cpp_type() == F::CPPTYPE_MESSAGE ||
        field->cpp_type() == F::CPPTYPE_DOUBLE || field->cpp_type() == F::CPPTYPE_FLOAT) {
      return Status::stop(
          ExitCode::config,
          fmt::format("dedup.key: {} is {} {}; a key is made of strings, integers and truth values",
                      field->full_name(), field->is_repeated() ? "a repeated" : "a",
                      field->type_name()));
    }
    std::uint64_t wire_type = 0;
    if (field->type() == F::TYPE_FIXED64 || field->type() == F::TYPE_SFIXED64) {
      wire_type = 1;
    } else if (field->cpp_type() == F::CPPTYPE_STRING) {
      wire_type = 2;
    } else if (field->type() == F::TYPE_FIXED32 || field->type() == F::TYPE_SFIXED32) {
      wire_type = 5;
    }
    parts.push_back({.field = field, .wire_type = wire_type, .text = {}});
  }
  return parts;
}

// False: the part is missing.
bool add_part(const WireKeyPart& part, DedupKey& key) {
  using F = pb::FieldDescriptor;
  const F& field = *part.field;
  if (field.cpp_type() == F::CPPTYPE_STRING) {
    if (!part.text.empty()) {
      key.add_string(part.text);
    }
    return !part.text.empty();
  }
  if (!part.found && field.has_presence()) {
    return false;
  }
  const auto wide = static_cast<std::int64_t>(part.bits);
  std::int64_t number = wide;
  switch (field.type()) {
    case F::TYPE_BOOL:
      key.add_bool(part.bits != 0);
      return true;
    case F::TYPE_UINT64:
    case F::TYPE_FIXED64:
      key.add_number(fmt::format_int(part.bits).c_str());
      return true;
    case F::TYPE_UINT32:
    case F::TYPE_FIXED32:
      number = static_cast<std::uint32_t>(part.bits);
      break;
    case F::TYPE_INT32:
    case F::TYPE_SFIXED32:
    case F::TYPE_ENUM:
      number = static_cast<std::int32_t>(part.bits);
      break;
    case F::TYPE_SINT32:
      number = static_cast<std::int32_t>(unzigzag(part.bits & UINT32_MAX));
      break;
    case F::TYPE_SINT64:
      number = unzigzag(part.bits);
      break;
    default:
      break;
  }
  key.add_number(fmt::format_int(number).c_str());
  return true;
}

}  // namespace

class LaneCodec::Input {
 public:
  explicit Input(const InputFormat& format) : form_(format.form), options_(format.options) {}

  Status set_up(const InputFormat& format, const UnknownFieldListener& on_unknown_field) {
    switch (form_) {
      case InputFormat::Form::json: {
        WEIR_TRY_ASSIGN(DecodePlan plan, DecodePlan::compile(format.descriptor, format.options));
        decoder_.emplace(std::move(plan), on_unknown_field);
        break;
      }
      case InputFormat::Form::protobuf: {
        WEIR_TRY_ASSIGN(key_parts_, wire_key(format.descriptor, format.options.key));
        break;
      }
      case InputFormat::Form::bytes:
        if (!format.options.key.empty()) {
          return Status::stop(ExitCode::config,
                              "dedup.key: values that pass as bytes have no fields");
        }
        break;
    }
    return Status::ok();
  }

  bool writes_wire() const { return decoder_ && decoder_->plan().has_message(); }

  DecodeCounts counts() const { return decoder_ ? decoder_->counts() : DecodeCounts{}; }

  Status decode(std::optional<std::string_view> value, WireBuffer& wire, WireBuffer& key) {
    if (!value) {
      return Status::dead_letter(reason::kTombstone, "the record has no value");
    }
    switch (form_) {
      case InputFormat::Form::json:
        return decoder_->decode(*value, wire, key);
      case InputFormat::Form::protobuf:
        WEIR_TRY(check_size(*value));
        return read_wire_key(*value, key);
      case InputFormat::Form::bytes:
        return check_size(*value);
    }
    WEIR_ASSERT(false);
  }

 private:
  Status check_size(std::string_view value) const {
    return value.size() <= options_.value_bytes_max
               ? Status::ok()
               : Status::dead_letter(reason::kTooLarge,
                                     fmt::format("the value has {} bytes; the limit is {}",
                                                 value.size(), options_.value_bytes_max));
  }

  Status read_wire_key(std::string_view value, WireBuffer& key) {
    for (WireKeyPart& part : key_parts_) {
      part.found = false;
      part.bits = 0;
      part.text = {};
    }
    for (WireReader reader(value); !reader.at_end();) {
      std::uint64_t number = 0;
      std::uint64_t type = 0;
      std::uint64_t bits = 0;
      std::string_view text;
      if (!reader.field(number, type, bits, text)) {
        return Status::dead_letter(
            reason::kInvalidProtobuf,
            fmt::format("the value is no protobuf message ({} bytes)", value.size()));
      }
      for (WireKeyPart& part : key_parts_) {
        if (static_cast<std::uint64_t>(part.field->number()) == number && part.wire_type == type) {
          part.found = true;
          part.bits = bits;
          part.text = text;
        }
      }
    }
    key_.clear();
    for (const WireKeyPart& part : key_parts_) {
      if (!add_part(part, key_)) {
        if (options_.on_missing_key == OnMissingKey::pass) {
          return Status::ok();
        }
        return Status::dead_letter(
            reason::kMissingKey,
            fmt::format("the dedup key field \"{}\" is missing or empty", part.field->name()));
      }
    }
    key.append(key_.bytes());
    return Status::ok();
  }

  InputFormat::Form form_;
  PlanOptions options_;
  std::optional<Decoder> decoder_;
  std::vector<WireKeyPart> key_parts_;
  DedupKey key_;
};

bool takes_wire_messages(const InputFormat& format) {
  switch (format.form) {
    case InputFormat::Form::protobuf:
      return format.descriptor != nullptr;
    case InputFormat::Form::json:
    case InputFormat::Form::bytes:
      return false;
  }
  WEIR_ASSERT(false);
}

LaneCodec::LaneCodec() = default;
LaneCodec::~LaneCodec() = default;

Result<std::unique_ptr<LaneCodec>> LaneCodec::make(std::span<const InputFormat> inputs,
                                                   const UnknownFieldListener& on_unknown_field) {
  std::unique_ptr<LaneCodec> codec(new LaneCodec());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto input = std::make_unique<Input>(inputs[i]);
    if (const Status status = input->set_up(inputs[i], on_unknown_field); !status.is_ok()) {
      return inputs.size() > 1 ? status.within(fmt::format("input {}", i)) : status;
    }
    codec->inputs_.push_back(std::move(input));
  }
  return codec;
}

DecodeCounts LaneCodec::decode(std::span<const RawRecord> records, std::span<Decoded> decoded) {
  WEIR_ASSERT(records.size() == decoded.size());
  const auto total = [this] {
    DecodeCounts sum;
    for (const std::unique_ptr<Input>& input : inputs_) {
      sum += input->counts();
    }
    return sum;
  };
  const DecodeCounts before = total();
  wire_.truncate(0);
  keys_.truncate(0);
  parts_.resize(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const RawRecord& record = records[i];
    WEIR_ASSERT(record.where.input.value() < inputs_.size());
    Input& input = *inputs_[record.where.input.value()];
    Part& part = parts_[i];
    part.wire = wire_.size();
    part.key = keys_.size();
    decoded[i].status = input.decode(record.value, wire_, keys_);
    part.wire_size = wire_.size() - part.wire;
    part.key_size = keys_.size() - part.key;
    part.own_wire = input.writes_wire();
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Part& part = parts_[i];
    if (decoded[i].status.is_ok()) {
      decoded[i].wire =
          part.own_wire ? wire_.view(part.wire, part.wire_size) : records[i].value.value();
      decoded[i].declared_key = keys_.view(part.key, part.key_size);
    } else {
      decoded[i].wire = {};
      decoded[i].declared_key = {};
    }
  }
  DecodeCounts counts = total();
  counts.unknown_fields -= before.unknown_fields;
  counts.cleaned_fields -= before.cleaned_fields;
  return counts;
}

}  // namespace weir
