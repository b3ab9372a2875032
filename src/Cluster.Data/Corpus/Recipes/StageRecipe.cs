using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>A per-document stage by its name with its parameters: <c>{"stage": "gopher-quality", "minimum_words": 20}</c>.</summary>
/// <param name="Stage">One of <see cref="StageCatalogue.Names"/>.</param>
/// <param name="Options">Of the type that the catalogue says.</param>
[JsonConverter(typeof(Converter))]
public sealed record StageRecipe(string Stage, object Options)
{
    /// <summary>With the defaults of the stage.</summary>
    public static StageRecipe Of(string stage) => new(stage, Activator.CreateInstance(StageCatalogue.OptionsOf(stage))!);

    private sealed class Converter : JsonConverter<StageRecipe>
    {
        private const string NameField = "stage";

        public override StageRecipe Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (JsonNode.Parse(ref reader) is not JsonObject fields || fields[NameField] is not JsonValue value || !value.TryGetValue<string>(out var name))
                throw new JsonException($"a stage is an object with a field \"{NameField}\"");
            fields.Remove(NameField);
            Type type;
            try
            {
                type = StageCatalogue.OptionsOf(name);
            }
            catch (UserErrorException error)
            {
                throw new JsonException(error.Message.TrimEnd('.'), error);
            }

            try
            {
                return new StageRecipe(name, fields.Deserialize(type, options)!);
            }
            catch (JsonException error)
            {
                throw new JsonException($"the stage {name}: {error.Message.Split(" Path: ")[0].TrimEnd('.')}", error);
            }
        }

        public override void Write(Utf8JsonWriter writer, StageRecipe value, JsonSerializerOptions options)
        {
            var fields = JsonSerializer.SerializeToNode(value.Options, value.Options.GetType(), options)!.AsObject();
            fields.Insert(0, NameField, value.Stage);
            fields.WriteTo(writer, options);
        }
    }
}
