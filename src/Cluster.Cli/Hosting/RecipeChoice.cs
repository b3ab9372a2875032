// Enters: --recipe, --depth and --set. Leaves: a valid recipe. Does not know: runs.

using System.CommandLine;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Cli.Hosting;

/// <summary>The recipe that a command line means.</summary>
public static class RecipeChoice
{
    /// <summary>Name or file.</summary>
    public static Option<string?> Recipe() => new("--recipe")
    {
        Description = $"A name ({string.Join(", ", NamedRecipes.Names)}) or a file of JSON.",
        HelpName = "NAME|FILE",
    };

    /// <summary>One dial for the size.</summary>
    public static Option<int?> Depth() => new("--depth")
    {
        Description = "Number of layers, 1 to 64; width and heads follow.",
        HelpName = "N",
    };

    /// <summary>A recipe by name or from a file, sized by depth, with fields replaced; in that order.</summary>
    /// <exception cref="UserErrorException">There is no such recipe, or a field is unknown or out of range.</exception>
    public static Recipe Resolve(string recipe, int? depth, IReadOnlyList<string> assignments)
    {
        var chosen = Read(recipe);
        if (depth is { } layers)
        {
            var shape = ModelShape.FromDepth(layers);
            chosen = chosen with
            {
                Model = chosen.Model with { Layers = shape.Layers, Width = shape.Width, Heads = shape.Heads, KvHeads = 0, HeadSize = 0, FeedForward = 0 },
            };
        }

        if (assignments.Count > 0)
            chosen = RecipeJson.With(chosen, assignments);
        chosen.Validate();
        return chosen;
    }

    private static Recipe Read(string recipe)
    {
        if (NamedRecipes.Has(recipe))
            return NamedRecipes.Get(recipe);
        if (!File.Exists(recipe))
        {
            throw new UserErrorException($"--recipe {recipe} is neither the name of a recipe nor a file.",
                $"Give one of {string.Join(", ", NamedRecipes.Names)}, or the path of a file.");
        }

        try
        {
            return RecipeJson.Parse(File.ReadAllText(recipe), recipe);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The recipe {recipe} cannot be read ({error.Message}).", "Make it readable for this user.", error);
        }
    }
}
