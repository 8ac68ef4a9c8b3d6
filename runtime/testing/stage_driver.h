// One stage, without a broker: records in, records out.
//
//   TEST(Hello, GreetsANameOnceEvenAfterARestart) {
//     weir::StageDriver driver(stages::hello::spec(),
//                              "inputs: {names: {topic: raw.names, dedup: {window: 1h}}}\n"
//                              "outputs: {greetings: {dataset: greetings}}");
//     driver.pipe("names", make_name("id-1", "Ada"));
//     driver.restart();
//     driver.pipe("names", make_name("id-1", "Ada"));
//     EXPECT_THAT(driver.read_all<hello::v1::Greeting>("greetings"), SizeIs(1));
//   }
#pragma once

#include <string>

#include "testing/pipeline_driver.h"

namespace weir {

// A PipelineDriver of one deployment; what it can do and how it fails is written there.
class StageDriver : public PipelineDriver {
 public:
  // `config`: the deployment's YAML; `stage:` may be left out.
  StageDriver(const StageSpec& spec, const std::string& config, std::int32_t partitions = 1)
      : PipelineDriver({Deployed{spec, config}}, partitions) {}

  StageDriver(const StageSpec& spec, const ConfigFile& file, std::int32_t partitions = 1)
      : PipelineDriver({Deployed{spec, file}}, partitions) {}
};

}  // namespace weir
