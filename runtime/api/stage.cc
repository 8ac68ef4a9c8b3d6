#include "weir/stage.h"

#include <charconv>
#include <exception>
#include <new>

namespace weir {

Status dead_letter_of_exception() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const InvalidMessage& e) {
    return Status::dead_letter("invalid_message", e.what());
  } catch (const std::exception& e) {
    return Status::dead_letter("stage_exception", e.what());
  } catch (...) {
    return Status::dead_letter("stage_exception", "what was thrown is no std::exception");
  }
}

DedupKey Stage::dedup_key(const Record&) const {
  throw std::logic_error(
      "this stage doesn't say what makes two records the same: override dedup_key, or declare "
      "dedup.key or `dedup: off` in its YAML");
}

void Stage::process_batch(std::span<const Record> records, Out& out) {
  for (const Record& record : records) {
    out.at(record);
    try {
      process(record, out);
    } catch (...) {
      const Status why = dead_letter_of_exception();
      out.dead_letter(why.reason(), why.message());
    }
  }
}

Result<const google::protobuf::FieldDescriptor*> annotated_field(const OutputSpec& output) {
  const google::protobuf::Descriptor& message = *output.descriptor;
  const google::protobuf::FieldDescriptor* found = nullptr;
  for (int i = 0; i < message.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = message.field(i);
    if (field->message_type() == output.annotation && !field->is_repeated()) {
      if (found != nullptr) {
        return Status::stop(ExitCode::config, message.full_name() + " has several fields of type " +
                                                  output.annotation->full_name());
      }
      found = field;
    }
  }
  if (found == nullptr) {
    return Status::stop(ExitCode::config, message.full_name() + " has no singular field of type " +
                                              output.annotation->full_name());
  }
  return found;
}

StageSpec& StageSpec::input(std::string name, std::string help) {
  inputs_.push_back({std::move(name), std::move(help), nullptr});
  return *this;
}

StageSpec& StageSpec::output(std::string name, std::string help) {
  outputs_.push_back({std::move(name), std::move(help), nullptr, nullptr, false});
  return *this;
}

StageSpec& StageSpec::rekeyed_output(std::string name, std::string help) {
  outputs_.push_back({std::move(name), std::move(help), nullptr, nullptr, true});
  return *this;
}

StageSpec& StageSpec::revision(int revision) {
  revision_ = revision;
  return *this;
}

Result<std::unique_ptr<Stage>> StageSpec::make_stage(const void* options) const {
  try {
    return make_stage_(options);
  } catch (const std::exception& e) {
    return Status::stop(ExitCode::config, "stage " + name_ + " can't start: " + e.what());
  }
}

namespace option_text {

namespace {

template <class Number>
Status parse_number(std::string_view text, Number& value, const char* expected) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) {
    return Status::stop(ExitCode::config,
                        "\"" + std::string(text) + "\" is not " + std::string(expected));
  }
  return Status::ok();
}

}  // namespace

Status parse(std::string_view text, std::string& value) {
  value = text;
  return Status::ok();
}

Status parse(std::string_view text, bool& value) {
  if (text != "true" && text != "false") {
    return Status::stop(ExitCode::config,
                        "\"" + std::string(text) + "\" is neither true nor false");
  }
  value = text == "true";
  return Status::ok();
}

Status parse(std::string_view text, std::int64_t& value) {
  return parse_number(text, value, "a whole number");
}

Status parse(std::string_view text, double& value) {
  return parse_number(text, value, "a number");
}

std::string print(const std::string& value) {
  return value;
}

std::string print(bool value) {
  return value ? "true" : "false";
}

std::string print(std::int64_t value) {
  return std::to_string(value);
}

std::string print(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  WEIR_ASSERT(error == std::errc{});
  return {buffer, end};
}

}  // namespace option_text

}  // namespace weir
