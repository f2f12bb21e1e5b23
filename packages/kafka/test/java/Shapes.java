import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/** Prints the shape of every message of every version that Kafka's own classes have, one version a line, as JSON. */
public class Shapes {
  public static void main(String[] args) {
    for (ApiKeys api : ApiKeys.values()) {
      for (int version = api.oldestVersion(); version <= api.latestVersion(true); version++) {
        System.out.println("{\"key\":" + api.id + ",\"version\":" + version
            + ",\"isFlexible\":" + (api.requestHeaderVersion((short) version) >= 2)
            + ",\"request\":" + shapeOf(api.messageType.requestSchemas()[version])
            + ",\"response\":" + shapeOf(api.messageType.responseSchemas()[version]) + "}");
      }
    }
  }

  private static String shapeOf(Type type) {
    if (type instanceof Schema schema) return structOf(schema);
    String element = type.arrayElementType().map(Shapes::shapeOf).orElse(null);
    if (element != null) return nullable("{\"array\":" + element + "}", type.isNullable());
    String name = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
    String kind = switch (name) {
      case "BOOLEAN" -> "bool";
      case "STRING" -> "text";
      case "UINT16" -> "int16";
      case "BYTES", "RECORDS" -> "bytes";
      default -> name.toLowerCase();
    };
    return nullable("\"" + kind + "\"", type.isNullable());
  }

  private static String nullable(String shape, boolean isNullable) {
    return isNullable ? "{\"nullable\":" + shape + "}" : shape;
  }

  private static String structOf(Schema schema) {
    StringBuilder fields = new StringBuilder();
    StringBuilder tags = new StringBuilder();
    for (BoundField bound : schema.fields()) {
      if (bound.def.type instanceof TaggedFields tagged) {
        tagged.fields().forEach((tag, field) -> append(tags, "[" + tag + "," + shapeOf(field.type) + "]"));
      } else {
        append(fields, "[\"" + bound.def.name + "\"," + shapeOf(bound.def.type) + "]");
      }
    }
    return "{\"fields\":[" + fields + "],\"tags\":[" + tags + "]}";
  }

  private static void append(StringBuilder list, String one) {
    if (list.length() > 0) list.append(',');
    list.append(one);
  }
}
