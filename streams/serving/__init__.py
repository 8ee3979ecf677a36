"""What a store answers: recommendations, explanations, exports."""
