#include "assembly/lane_plan.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir {

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

Result<std::shared_ptr<const Schema>> read_schema(const config::Deployment& deployment) {
  SchemaSources sources;
  sources.import_roots.assign(deployment.import_roots.begin(), deployment.import_roots.end());
  sources.descriptor_set = deployment.descriptor_set;
  Result<Schema> schema = Schema::read(sources);
  if (!schema.is_ok()) {
    return schema.status().within(deployment.file);
  }
  return std::shared_ptr<const Schema>(std::make_shared<Schema>(std::move(schema).value()));
}

// `wrong`, where the file says what it is about. Its message begins with the setting of the input,
// as the file spells it: `rename.x: …`.
Status at_setting(const config::Deployment& deployment, const config::Input& input,
                  const Status& wrong) {
  const std::string said = fmt::format("inputs.{}.{}", input.name, wrong.message());
  const auto is_it = [&said](const config::Setting& s) {
    return said.starts_with(fmt::format("{}: ", fmt::join(s.path, "."))) &&
           s.place.source != "default";
  };
  const auto found = std::find_if(deployment.settings.begin(), deployment.settings.end(), is_it);
  return wrong.within(fmt::format("inputs.{}", input.name))
      .within(found == deployment.settings.end() ? deployment.file
                                                 : config::to_string(found->place));
}

std::string zone_text(std::chrono::minutes zone) {
  const auto minutes = std::abs(zone.count());
  return minutes == 0 ? "UTC"
                      : fmt::format("{}{:02}:{:02}", zone.count() < 0 ? '-' : '+', minutes / 60,
                                    minutes % 60);
}

TimeFormat time_format(config::TimeFormat format) {
  switch (format) {
    case config::TimeFormat::rfc3339:
      return TimeFormat::rfc3339;
    case config::TimeFormat::epoch_s:
      return TimeFormat::epoch_s;
    case config::TimeFormat::epoch_ms:
      return TimeFormat::epoch_ms;
    case config::TimeFormat::epoch_us:
      return TimeFormat::epoch_us;
    case config::TimeFormat::zoneless:
      return TimeFormat::zoneless;
  }
  WEIR_ASSERT(false);
}

PlanOptions decode_options(const config::Input& input) {
  PlanOptions options;
  options.rename = input.rename;
  options.defaults = input.defaults;
  options.trim = input.trim;
  if (input.event_time) {
    const config::EventTime& time = *input.event_time;
    const bool has_zone = time.format == config::TimeFormat::zoneless;
    options.event_time = EventTime{time.field, time.from, time_format(time.format),
                                   has_zone ? zone_text(time.zone) : ""};
  }
  options.unknown_fields = input.unknown_fields == config::UnknownFields::count
                               ? UnknownFields::count
                               : UnknownFields::dead_letter;
  if (input.dedup) {
    options.key = input.dedup->key;
    options.on_missing_key = input.dedup->on_missing_key == config::MissingKey::pass
                                 ? OnMissingKey::pass
                                 : OnMissingKey::dead_letter;
  }
  options.depth_max = input.depth_max;
  options.value_bytes_max = input.value_bytes_max;
  return options;
}

InputFormat::Form form_of(config::Format format) {
  switch (format) {
    case config::Format::json:
      return InputFormat::Form::json;
    case config::Format::protobuf:
      return InputFormat::Form::protobuf;
    case config::Format::bytes:
      return InputFormat::Form::bytes;
  }
  WEIR_ASSERT(false);
}

Start start_of(const config::Start& start) {
  switch (start.at) {
    case config::StartAt::earliest:
      return {Start::Kind::earliest, {}};
    case config::StartAt::latest:
      return {Start::Kind::latest, {}};
    case config::StartAt::time:
      return {Start::Kind::timestamp, start.time};
  }
  WEIR_ASSERT(false);
}

// What makes two records the same, as part of the state's identity: another rule, another index.
std::string key_rule(const config::Input& input, const StageSpec& spec) {
  if (input.dedup->key.empty()) {
    return fmt::format("code:{}:{}", spec.name(), spec.revision());
  }
  return fmt::format("fields:{}", fmt::join(input.dedup->key, ","));
}

}  // namespace

Result<LanePlan> plan_lane(const config::Deployment& deployment, const StageSpec& spec) {
  LanePlan plan;
  plan.settings.deployment = deployment.id;
  plan.settings.version = deployment.version;
  plan.settings.group = deployment.group();
  plan.settings.limits.turn_interval_max = deployment.turn.interval_max;
  plan.settings.limits.turn_records_max = deployment.turn.records_max;
  plan.settings.limits.turn_bytes_max = deployment.turn.bytes_max;
  for (const config::Input& input : deployment.inputs) {
    const auto port = std::find_if(spec.inputs().begin(), spec.inputs().end(),
                                   [&](const InputSpec& s) { return s.name == input.name; });
    WEIR_ASSERT(port != spec.inputs().end());  // load() checked it
    const Descriptor* descriptor = port->descriptor;
    if (descriptor == nullptr && !input.message.empty()) {
      if (!plan.schema) {
        WEIR_TRY_ASSIGN(plan.schema, read_schema(deployment));
      }
      Result<const Descriptor*> found = plan.schema->message(input.message);
      if (!found.is_ok()) {
        return at_setting(deployment, input, found.status().within("message"));
      }
      descriptor = found.value();
    }
    plan.formats.push_back({form_of(input.format), descriptor, decode_options(input)});
    // What the codec can't be made of is a configuration error: found here, not by the first lane.
    const auto codec = LaneCodec::make(std::span(&plan.formats.back(), 1), {});
    if (!codec.is_ok()) {
      return at_setting(deployment, input, codec.status());
    }
    plan.input_topics.push_back(input.topic);
    InputSettings& settings = plan.settings.inputs.emplace_back();
    settings.name = input.name;
    settings.topic = input.topic;
    settings.descriptor = descriptor;
    settings.start = start_of(input.start);
    if (input.dedup && input.dedup->window) {
      settings.dedup = DedupWindow{*input.dedup->window, input.dedup->buckets};
      settings.key_in_code = input.dedup->key.empty();
      settings.pass_without_key = input.dedup->on_missing_key == config::MissingKey::pass;
      settings.key_rule = key_rule(input, spec);
    }
  }
  for (const OutputSpec& port : spec.outputs()) {
    const auto output = std::find_if(deployment.outputs.begin(), deployment.outputs.end(),
                                     [&](const config::Output& o) { return o.name == port.name; });
    WEIR_ASSERT(output != deployment.outputs.end());
    OutputPort bound{port.name, 0, port.rekeys};
    if (port.annotation != nullptr) {
      const Result<const FieldDescriptor*> field = annotated_field(port);
      WEIR_ASSERT(field.is_ok());  // load() checked it
      bound.annotation_field = static_cast<std::uint32_t>(field.value()->number());
    }
    plan.settings.outputs.push_back(std::move(bound));
    plan.output_topics.push_back(output->topic);
  }
  plan.output_topics.push_back(deployment.dead_letters());
  return plan;
}

}  // namespace weir
