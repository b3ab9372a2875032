#pragma warning disable OPENAI001 // The seed is marked as experimental.
using System.ClientModel;
using System.Text;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>The endpoints as the official client and Microsoft.Extensions.AI use them.</summary>
public sealed class OpenAiClientTests(ServingCluster cluster) : IClassFixture<ServingCluster>
{
    private static readonly OpenAI.Chat.ChatMessage[] s_chat = [new SystemChatMessage("Be brief."), new UserChatMessage("Hello?")];

    [Fact]
    public async Task Chat_StreamedOrNot_SameTextUsageAndEnd()
    {
        var client = Client();
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 30, Seed = 7, Temperature = 0.8f, IncludeLogProbabilities = true, TopLogProbabilityCount = 3 };

        ChatCompletion whole = await client.CompleteChatAsync(s_chat, options);
        var text = new StringBuilder();
        var probabilities = new List<ChatTokenLogProbabilityDetails>();
        ChatTokenUsage? usage = null;
        OpenAI.Chat.ChatFinishReason? finish = null;
        await foreach (var update in client.CompleteChatStreamingAsync(s_chat, options))
        {
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            probabilities.AddRange(update.ContentTokenLogProbabilities);
            (usage, finish) = (update.Usage ?? usage, update.FinishReason ?? finish);
        }

        Assert.Equal("tiny", whole.Model);
        Assert.Equal(whole.Content.Single().Text, text.ToString());
        Assert.Equal(whole.FinishReason, finish);
        Assert.Equal(whole.ContentTokenLogProbabilities.Select(Facts), probabilities.Select(Facts));
        // begin_of_text, system, 9 bytes, user, 6 bytes, assistant
        Assert.Equal((19, probabilities.Count, 19 + probabilities.Count), (whole.Usage.InputTokenCount, whole.Usage.OutputTokenCount, whole.Usage.TotalTokenCount));
        Assert.Equal((whole.Usage.InputTokenCount, whole.Usage.OutputTokenCount), (usage!.InputTokenCount, usage.OutputTokenCount));
        Assert.All(probabilities, token => Assert.Equal(3, token.TopLogProbabilities.Count));

        static string Facts(ChatTokenLogProbabilityDetails token) =>
            $"{token.Token} {token.LogProbability:R} {string.Join(',', token.TopLogProbabilities.Select(top => $"{top.Token} {top.LogProbability:R}"))}";
    }

    [Fact]
    public async Task Chat_JsonSchema_ReplyFitsIt()
    {
        var schema = BinaryData.FromString("""{"type":"object","properties":{"ok":{"type":"boolean"},"kind":{"enum":["a","b"]}},"required":["ok","kind"],"additionalProperties":false}""");
        for (var seed = 1; seed <= 3; seed++)
        {
            ChatCompletion reply = await Client().CompleteChatAsync(s_chat, new ChatCompletionOptions
            {
                MaxOutputTokenCount = 100,
                Seed = seed,
                Temperature = 1,
                ResponseFormat = OpenAI.Chat.ChatResponseFormat.CreateJsonSchemaFormat("answer", schema),
            });

            using var document = System.Text.Json.JsonDocument.Parse(reply.Content.Single().Text);
            Assert.Equal(OpenAI.Chat.ChatFinishReason.Stop, reply.FinishReason);
            Assert.Equal(["ok", "kind"], document.RootElement.EnumerateObject().Select(property => property.Name));
        }
    }

    [Fact]
    public async Task Chat_SchemaWithUnsupportedKeyword_BadRequestNamesIt()
    {
        var error = await Assert.ThrowsAsync<ClientResultException>(() => Client().CompleteChatAsync(s_chat, new ChatCompletionOptions
        {
            ResponseFormat = OpenAI.Chat.ChatResponseFormat.CreateJsonSchemaFormat("answer", BinaryData.FromString("""{"type":"string","pattern":"a+"}""")),
        }));

        Assert.Equal(400, error.Status);
        Assert.Contains("pattern", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_UnknownModel_ClientSeesNotFound()
    {
        var error = await Assert.ThrowsAsync<ClientResultException>(() => Client("unknown").CompleteChatAsync(s_chat));

        Assert.Equal(404, error.Status);
        Assert.Contains("There is no model called \"unknown\".", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task IChatClient_StreamedOrNot_SameTextAndUsage()
    {
        using var client = Client().AsIChatClient();
        var options = new ChatOptions { MaxOutputTokens = 25, Seed = 3, Temperature = 1 };
        Microsoft.Extensions.AI.ChatMessage[] messages = [new(ChatRole.User, "Hello?")];

        var whole = await client.GetResponseAsync(messages, options);
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(messages, options))
            updates.Add(update);

        var streamed = updates.ToChatResponse();
        Assert.Equal(whole.Text, streamed.Text);
        Assert.Equal(whole.FinishReason, streamed.FinishReason);
        Assert.Equal(9, whole.Usage!.InputTokenCount);
        Assert.Equal(whole.Usage.OutputTokenCount, streamed.Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task Models_OfficialClient_ListsThem()
    {
        var models = (await new OpenAIClient(new ApiKeyCredential("none"), Options()).GetOpenAIModelClient().GetModelsAsync()).Value;

        Assert.Equal(["long", "small", "small:int8", "tiny"], models.Select(model => model.Id));
    }

    private ChatClient Client(string model = "tiny") => new(model, new ApiKeyCredential("none"), Options());

    // A test wants the first answer, whatever it is.
    private OpenAIClientOptions Options() => new()
    {
        Endpoint = new Uri(cluster.Http.BaseAddress!, "v1"),
        RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(0),
    };
}
