// Starts the proxy that the file in the first argument describes.
import io.kroxylicious.proxy.KafkaProxy
import io.kroxylicious.proxy.config.ConfigParser
import io.kroxylicious.proxy.internal.config.Features

def parser = new ConfigParser()
def configuration = parser.parseConfiguration(new File(args[0]).text)
new KafkaProxy(parser, configuration, Features.defaultFeatures()).startup().block()
